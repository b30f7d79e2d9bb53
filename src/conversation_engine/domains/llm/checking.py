"""Does a model answer, and if not, what precisely is wrong: for operators, who can do something about it."""

import asyncio
import re
from contextlib import aclosing
from typing import Final

from conversation_engine.domains.llm.catalog import Family, Service
from conversation_engine.domains.llm.errors import (
    AuthenticationError,
    ModelError,
    ModelNotFoundError,
    ModelTimeoutError,
    ModelUnreachableError,
    PermissionDeniedError,
)
from conversation_engine.domains.llm.types import LLMMessage, ModelCard, ModelCheck, ModelRequest, Sampling
from conversation_engine.kernel.clock import Clock

CHECK_REPLY_TOKENS: Final = 16
"""A word; some services refuse to be asked for less."""
_QUESTION: Final = LLMMessage(role="user", content="Say OK.")


async def check_model(family: Family, card: ModelCard, *, clock: Clock, timeout_seconds: float) -> ModelCheck:
    """Ask for a word, past circuits and slots; never raises a ModelError. One small model call, on nobody's record."""
    started = clock.monotonic()
    error: ModelError | None = None
    try:
        if family.service.needs_key and not family.service.has_key:
            raise AuthenticationError("not asked: there is no key")
        async with asyncio.timeout(timeout_seconds):
            await _hear_a_word(family, card)
    except ModelError as failure:
        error = failure
    except TimeoutError:
        error = ModelTimeoutError("first_token")
    verdict, sentence = judged(card, family.service, error)
    return ModelCheck(
        model=card.name,
        verdict=verdict,
        sentence=sentence,
        cause=error.cause if error else None,
        latency_ms=round((clock.monotonic() - started) * 1000),
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


async def _hear_a_word(family: Family, card: ModelCard) -> None:
    sampling = Sampling(reply_limit_tokens=CHECK_REPLY_TOKENS)
    request = ModelRequest(model=card.provider_model, messages=[_QUESTION], sampling=sampling)
    async with aclosing(family.provider.stream(request)) as events:
        await anext(events)


def _names_a_model(card: ModelCard, error: ModelError) -> bool:
    """Services that know the path and not the model say so; a wrong path knows nothing of models."""
    name = re.escape(card.provider_model)
    return re.search(rf"model|deployment|(?<!\w){name}(?!\w)", error.cause, re.IGNORECASE) is not None


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
