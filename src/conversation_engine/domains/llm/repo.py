"""Every query about model calls."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from sqlalchemy import Row, bindparam, delete, insert, select, update

from conversation_engine.domains.llm.models import LlmRequestModel
from conversation_engine.domains.llm.types import Attempt, AttemptStatus, PromptCount, TokenUsage, UsageSource
from conversation_engine.infra.db.database import Tx
from conversation_engine.infra.db.prepared import Prepared
from conversation_engine.kernel.ids import ConversationId, LlmRequestId, TurnId

_requests = LlmRequestModel.__table__
_INSERT = Prepared(insert(_requests))
_COUNTED = (_requests.c.provider, _requests.c.model, _requests.c.counted, _requests.c.input_tokens)
_FORGET = (
    update(_requests)
    .where(_requests.c.conversation_id == bindparam("conversation"))
    .values(parameters={}, error_cause=None)
)


class Counted(NamedTuple):
    """A prompt as we counted it and as its provider did."""

    provider: str
    model: str
    counted: PromptCount
    input_tokens: int


class LlmRequestRepo:
    """Rows of `llm_requests`."""

    def insert(self, tx: Tx, attempt: Attempt) -> None:
        """Put one provider call on record."""
        _INSERT.run(tx, _values(attempt))

    def replace(self, tx: Tx, attempt: Attempt) -> None:
        """Put a call in the place of the one with its id."""
        tx.execute(update(_requests).where(_requests.c.id == attempt.id).values(**_values(attempt)))

    def list_counted(self, tx: Tx, *, count: int) -> Sequence[Counted]:
        """The newest calls that we counted too, newest first, of every model: one index range."""
        newest = _requests.c.id.desc()
        query = select(*_COUNTED).where(_requests.c.counted.is_not(None)).order_by(newest).limit(count)
        return [
            Counted(
                provider=row.provider,
                model=row.model,
                counted=_prompt_count(row.counted),
                input_tokens=row.input_tokens,
            )
            for row in tx.execute(query)
        ]

    def forget(self, tx: Tx, conversation_id: ConversationId) -> None:
        """Keep what the calls of a conversation cost, and nothing of what was said in them."""
        tx.execute(_FORGET, {"conversation": conversation_id})

    def delete(self, tx: Tx, attempt_id: LlmRequestId) -> None:
        """Take one call off the record."""
        tx.execute(delete(_requests).where(_requests.c.id == attempt_id))

    def list_of_turn(self, tx: Tx, turn_id: TurnId) -> Sequence[Attempt]:
        """A turn's calls, in order."""
        query = select(*_requests.c).where(_requests.c.turn_id == turn_id).order_by(_requests.c.attempt)
        return [_attempt(row) for row in tx.execute(query)]


def _values(attempt: Attempt) -> dict[str, Any]:
    usage = attempt.usage
    return {
        "id": attempt.id,
        "conversation_id": attempt.conversation_id,
        "owner_id": attempt.owner_id,
        "turn_id": attempt.turn_id,
        "attempt": attempt.attempt,
        "provider": attempt.provider,
        "model": attempt.model,
        "parameters": attempt.parameters,
        "status": attempt.status.value,
        "latency_ms": attempt.latency_ms,
        "first_token_ms": attempt.first_token_ms,
        "input_tokens": usage.input_tokens if usage else None,
        "output_tokens": usage.output_tokens if usage else None,
        "cached_tokens": usage.cached_tokens if usage else None,
        "cache_write_tokens": usage.cache_write_tokens if usage else None,
        "reasoning_tokens": usage.reasoning_tokens if usage else None,
        "usage_source": usage.source.value if usage else None,
        "counted": asdict(attempt.counted) if attempt.counted else None,
        "cost": attempt.cost,
        "finish_reason": attempt.finish_reason,
        "error_code": attempt.error_code,
        "error_cause": attempt.error_cause,
        "created_at": attempt.created_at,
    }


def _prompt_count(stored: dict[str, Any]) -> PromptCount:
    parts = {name: tuple(stored.get(name, ())) for name in ("by_script", "characters")}
    return PromptCount(**{**stored, **parts})


def _attempt(row: Row[Any]) -> Attempt:
    usage = None
    if row.input_tokens is not None:
        usage = TokenUsage(
            input_tokens=row.input_tokens,
            cached_tokens=row.cached_tokens or 0,
            output_tokens=row.output_tokens or 0,
            cache_write_tokens=row.cache_write_tokens or 0,
            reasoning_tokens=row.reasoning_tokens or 0,
            source=UsageSource(row.usage_source),
        )
    return Attempt(
        id=row.id,
        conversation_id=row.conversation_id,
        owner_id=row.owner_id,
        turn_id=row.turn_id,
        attempt=row.attempt,
        provider=row.provider,
        model=row.model,
        parameters=row.parameters,
        status=AttemptStatus(row.status),
        latency_ms=row.latency_ms,
        first_token_ms=row.first_token_ms,
        usage=usage,
        cost=row.cost,
        finish_reason=row.finish_reason,
        error_code=row.error_code,
        error_cause=row.error_cause,
        created_at=row.created_at,
        counted=None if row.counted is None else _prompt_count(row.counted),
    )
