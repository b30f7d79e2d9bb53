"""Calls whose process died: what they came to is estimated by whoever finds the turn."""

from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID, uuid5

from conversation_engine.domains.llm.calling import ModelCall
from conversation_engine.domains.llm.errors import ProcessLostError
from conversation_engine.domains.llm.pricing import cost_of
from conversation_engine.domains.llm.tokens import estimate, estimate_prompt, tools_tokens_for
from conversation_engine.domains.llm.types import Attempt, AttemptStatus, TokenUsage, UsageSource
from conversation_engine.kernel.ids import ConversationId, LlmRequestId, TurnId, UserId

CAUSE: Final = "its process ended before the call did; what was sent and said is estimated from what is stored"
_CALLS: Final = UUID("9c0e7b7e-5b39-5d0f-a6f5-2f6f0a5c8f10")


def lost_call_id(turn_id: TurnId, attempt: int) -> LlmRequestId:
    """The id of the call that was running when the turn's process was lost in its `attempt`-th reply.

    The same whoever works it out: so it is on record once, however many find the turn, and its own process finds the
    estimate if it turns out to be alive.
    """
    return LlmRequestId(str(uuid5(_CALLS, f"{turn_id}\n{attempt}")))


def lost_call(call: ModelCall, text: str, *, at: datetime) -> Attempt:
    """What `call`, made at `at`, came to when `text` is what was heard of it: failed, usage estimated.

    The whole prompt counts, for a service bills it as soon as it has it; it is not known whether a fallback model was
    answering, so it is taken for the model that was asked.
    """
    usage = TokenUsage(
        input_tokens=estimate_prompt(call.card, call.messages) + tools_tokens_for(call.card, call.sampling),
        cached_tokens=0,
        output_tokens=estimate(call.card, text),
        source=UsageSource.ESTIMATED,
    )
    return lost(
        turn_id=call.turn_id,
        conversation_id=call.conversation_id,
        owner_id=call.owner_id,
        attempt=call.attempt,
        provider=call.card.provider,
        model=call.card.provider_model,
        parameters=call.sampling.noted(),
        usage=usage,
        cost=cost_of(call.card, usage, at=at),
        at=at,
    )


def lost(
    *,
    turn_id: TurnId,
    conversation_id: ConversationId,
    owner_id: UserId,
    attempt: int,
    provider: str,
    model: str,
    parameters: dict[str, Any],
    usage: TokenUsage,
    cost: Decimal | None,
    at: datetime,
) -> Attempt:
    """A call that was made at `at` by a process that died, as it is recorded."""
    return Attempt(
        id=lost_call_id(turn_id, attempt),
        conversation_id=conversation_id,
        owner_id=owner_id,
        turn_id=turn_id,
        attempt=attempt,
        provider=provider,
        model=model,
        parameters=parameters,
        status=AttemptStatus.FAILED,
        latency_ms=0,
        first_token_ms=None,
        usage=usage,
        cost=cost,
        finish_reason=None,
        error_code=ProcessLostError.code,
        error_cause=CAUSE,
        created_at=at,
    )
