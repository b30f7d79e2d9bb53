"""Every query of events."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, or_, select, update

from conversation_engine.infra.db.database import Tx
from conversation_engine.infra.outbox.models import OutboxModel
from conversation_engine.infra.outbox.types import OutboxEvent, ToldEvent

_outbox = OutboxModel.__table__


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """An event on its way."""

    event: OutboxEvent
    is_announced: bool
    is_delivered: bool


class OutboxRepo:
    """Rows of `outbox`."""

    def insert(self, tx: Tx, event: OutboxEvent) -> None:
        """Write an event."""
        values = {"id": event.id, "kind": event.kind, "payload": dict(event.payload), "created_at": event.created_at}
        tx.execute(insert(_outbox), values)

    def find(self, tx: Tx, event_id: str) -> Pending | None:
        """An event and how far it has come."""
        row = tx.execute(select(*_outbox.c).where(_outbox.c.id == event_id)).first()
        if row is None:
            return None
        event = OutboxEvent(id=row.id, kind=row.kind, payload=row.payload, created_at=row.created_at)
        return Pending(
            event=event, is_announced=row.announced_at is not None, is_delivered=row.delivered_at is not None
        )

    def list_newest(self, tx: Tx, kinds: Collection[str], *, count: int) -> Sequence[ToldEvent]:
        """The newest events of these kinds, newest first. Goes through those of other kinds that are as new."""
        newest = (_outbox.c.created_at.desc(), _outbox.c.id.desc())
        query = select(*_outbox.c).where(_outbox.c.kind.in_(list(kinds))).order_by(*newest).limit(count)
        return [
            ToldEvent(
                event=OutboxEvent(id=row.id, kind=row.kind, payload=row.payload, created_at=row.created_at),
                delivered_at=row.delivered_at,
                error_code=row.error_code,
            )
            for row in tx.execute(query)
        ]

    def mark_announced(self, tx: Tx, event_id: str, *, at: datetime) -> None:
        """It was logged and told to listeners."""
        tx.execute(update(_outbox).where(_outbox.c.id == event_id).values(announced_at=at))

    def mark_tried(self, tx: Tx, event_id: str, *, error_code: str | None, at: datetime) -> None:
        """The webhook was called: it has taken the event, or this is what went wrong."""
        values: dict[str, Any] = {"attempts": _outbox.c.attempts + 1, "error_code": error_code}
        if error_code is None:
            values["delivered_at"] = at
        tx.execute(update(_outbox).where(_outbox.c.id == event_id).values(**values))

    def delete_told(self, tx: Tx, *, before: datetime, count: int) -> int:
        """Forget events of before then that everybody has heard who was to; how many. Those that failed stay."""
        told = (
            select(_outbox.c.id)
            .where(_outbox.c.created_at < before, _outbox.c.announced_at.is_not(None))
            .where(or_(_outbox.c.delivered_at.is_not(None), _outbox.c.attempts == 0))
            .order_by(_outbox.c.created_at)
            .limit(count)
        )
        return tx.execute(delete(_outbox).where(_outbox.c.id.in_(told))).rowcount
