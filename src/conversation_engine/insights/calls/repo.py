"""Every query about how calls went."""

from collections.abc import Collection, Sequence
from dataclasses import fields
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, or_, select

from conversation_engine.domains.llm.models import LlmRequestModel
from conversation_engine.infra.db.database import Tx
from conversation_engine.insights.calls.types import FailedCall, FailureFilter, RecordedCall
from conversation_engine.kernel.ids import ConversationId, LlmRequestId, UserId
from conversation_engine.kernel.paging import Cursor

_calls = LlmRequestModel.__table__
_RECORDED = tuple(_calls.c[field.name] for field in fields(RecordedCall))
_model = (_calls.c.provider + "/" + _calls.c.model).label("name")


class Timing(NamedTuple):
    """One call."""

    model: str
    status: str
    first_token_ms: int | None
    latency_ms: int


class CallRepo:
    """Reads `llm_requests`."""

    def list_failed(self, tx: Tx, wanted: FailureFilter, *, cursor: Cursor | None, count: int) -> Sequence[FailedCall]:
        """Failed calls, newest first."""
        query = select(*_calls.c, _model).where(_calls.c.status == "failed")
        if wanted.code is not None:
            query = query.where(_calls.c.error_code == wanted.code)
        if wanted.search:
            places = (_calls.c.error_code, _calls.c.error_cause, _calls.c.owner_id, _model)
            text = wanted.search.lower()
            query = query.where(or_(*[func.lower(place).contains(text, autoescape=True) for place in places]))
        is_backward = cursor is not None and cursor.is_backward
        if cursor is not None:
            [at] = cursor.key
            query = query.where(_calls.c.id > at if is_backward else _calls.c.id < at)
        query = query.order_by(_calls.c.id if is_backward else _calls.c.id.desc()).limit(count)
        return [
            FailedCall(
                id=row.id,
                conversation_id=row.conversation_id,
                owner_id=UserId(row.owner_id),
                turn_id=row.turn_id,
                attempt=row.attempt,
                model=row.name,
                latency_ms=row.latency_ms,
                code=row.error_code or "model_failed",
                cause=row.error_cause,
                at=row.created_at,
            )
            for row in tx.execute(query)
        ]

    def timings(self, tx: Tx, *, since: datetime, count: int) -> Sequence[Timing]:
        """The newest calls since then."""
        query = (
            select(_model, _calls.c.status, _calls.c.first_token_ms, _calls.c.latency_ms)
            .where(_calls.c.created_at >= since)
            .order_by(_calls.c.created_at.desc())
            .limit(count)
        )
        return [Timing(*row) for row in tx.execute(query)]

    def list_by_id(self, tx: Tx, call_ids: Collection[LlmRequestId]) -> Sequence[RecordedCall]:
        """Those of these calls that are on record."""
        query = select(*_RECORDED).where(_calls.c.id.in_(list(call_ids)))
        return [RecordedCall(**row) for row in tx.execute(query).mappings()]

    def list_of_conversation(
        self, tx: Tx, conversation_id: ConversationId, owner_id: UserId, *, after: str | None, count: int
    ) -> Sequence[RecordedCall]:
        """A conversation's calls, oldest first, from behind that with the id `after`."""
        query = select(*_RECORDED).where(_calls.c.conversation_id == conversation_id, _calls.c.owner_id == owner_id)
        if after is not None:
            query = query.where(_calls.c.id > after)
        return [RecordedCall(**row) for row in tx.execute(query.order_by(_calls.c.id).limit(count)).mappings()]
