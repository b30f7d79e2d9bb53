"""Does a model answer, and if not, what precisely is wrong: for operators, who can do something about it."""

import asyncio
import re
from typing import Final

from conversation_engine.domains.llm.calling import ModelCall, ModelCaller
from conversation_engine.domains.llm.catalog import Family, Service
from conversation_engine.domains.llm.errors import (
    AuthenticationError,
    ModelError,
    ModelNotFoundError,
    ModelTimeoutError,
    ModelUnreachableError,
    PermissionDeniedError,
)
from conversation_engine.domains.llm.tokens import MESSAGE_OVERHEAD_TOKENS, tokens_for
from conversation_engine.domains.llm.types import (
    NO_CONVERSATION,
    AttemptStatus,
    LLMMessage,
    ModelCard,
    ModelCheck,
    Sampling,
)
from conversation_engine.infra.ids import new_id
from conversation_engine.kernel.ids import TurnId, UserId

CHECK_REPLY_TOKENS: Final = 16
"""A word; some services refuse to be asked for less."""
TEMPLATE_TOKENS: Final = 64
"""For a template with instructions of its own, as small models have them."""
_QUESTION: Final = LLMMessage(role="user", content="Say OK.")


def check_call(card: ModelCard, *, owner_id: UserId) -> ModelCall:
    """The call that asks for a word, on behalf of `owner_id`."""
    return ModelCall(
        conversation_id=NO_CONVERSATION,
        owner_id=owner_id,
        turn_id=TurnId(new_id()),  # no turn's call
        attempt=1,
        card=card,
        messages=[_QUESTION],
        sampling=Sampling(reply_limit_tokens=CHECK_REPLY_TOKENS),
        input_tokens=tokens_for(card, _QUESTION.text) + MESSAGE_OVERHEAD_TOKENS + TEMPLATE_TOKENS,
    )


async def check_model(family: Family, call: ModelCall, *, caller: ModelCaller) -> ModelCheck:
    """Ask for a word, past circuits and slots; never raises a ModelError. One small model call at the most."""
    card, service = call.card, family.service
    if service.needs_key and not service.has_key:
        verdict, sentence = judged(card, service, AuthenticationError())
        return ModelCheck(model=card.name, verdict=verdict, sentence=sentence, cause="not asked: there is no key")
    outcome = await caller(family.provider, call, lambda _: None)
    attempt, error = outcome.attempt, outcome.error
    if attempt.status is AttemptStatus.CANCELLED:
        raise asyncio.CancelledError
    if not isinstance(error, ModelError | None):
        raise error
    verdict, sentence = judged(card, service, error)
    heard = attempt.first_token_ms
    return ModelCheck(
        model=card.name,
        verdict=verdict,
        sentence=sentence,
        cause=error.cause if error else None,
        latency_ms=attempt.latency_ms if heard is None else heard,
        attempt=attempt,
    )


def judged(card: ModelCard, service: Service, error: ModelError | None) -> tuple[str, str]:
    """What an answer, or the lack of one, says: a code and a sentence that says what to do."""
    where = f"the service at {service.address}" if service.address else f"the provider {card.provider!r}"
    match error:
        case None:
            return "ok", f"{card.name} answers."
        case AuthenticationError() if not service.has_key:
            return "no_key", f"No key is set for {where}, and it wants one. Set {service.key_setting}."
        case AuthenticationError():
            return "wrong_key", f"{_capital(where)} refuses the key. Check {service.key_setting}."
        case PermissionDeniedError():
            return (
                "no_permission",
                f"{_capital(where)} does not let our key use {card.provider_model!r}, or wants money.",
            )
        case ModelNotFoundError() if _names_a_model(card, error):
            return "no_such_model", f"{_capital(where)} has no model {card.provider_model!r}. Check its name."
        case ModelNotFoundError():
            return "no_such_address", f"{_capital(where)} answers, but not at that path. Check the base URL."
        case ModelUnreachableError():
            return "unreachable", service.missing() or f"Nothing answers at {service.address}: {error.cause}"
        case ModelTimeoutError():
            return "timeout", f"{_capital(where)} was too slow ({error.phase}). Check the address and the network."
        case _:
            return error.code, f"{_capital(where)} answered with a failure: {error.cause}"


def _names_a_model(card: ModelCard, error: ModelError) -> bool:
    """Services that know the path and not the model say so; a wrong path knows nothing of models."""
    name = re.escape(card.provider_model)
    return re.search(rf"model|deployment|(?<!\w){name}(?!\w)", error.cause, re.IGNORECASE) is not None


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
