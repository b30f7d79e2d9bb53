"""Every query about deeds."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select

from conversation_engine.infra.audit.models import AuditEventModel
from conversation_engine.infra.audit.types import AuditEvent, AuditFilter, Deed
from conversation_engine.infra.db.database import Tx
from conversation_engine.kernel.paging import Cursor

_events = AuditEventModel.__table__


class AuditRepo:
    """Rows of `audit_events`."""

    def insert(self, tx: Tx, event_id: str, deed: Deed, *, at: datetime) -> None:
        """Write a deed down."""
        tx.execute(
            insert(_events),
            {
                "id": event_id,
                "at": at,
                "action": deed.action,
                "actor_id": deed.actor_id,
                "subject_id": deed.subject_id,
                "target": deed.target,
                "address": deed.address,
                "details": dict(deed.details),
            },
        )

    def list_of(self, tx: Tx, wanted: AuditFilter, *, cursor: Cursor | None, count: int) -> Sequence[AuditEvent]:
        """Newest first (ids grow with time), from `cursor` in its direction."""
        query = select(*_events.c)
        for column, value in (
            (_events.c.actor_id, wanted.actor_id),
            (_events.c.subject_id, wanted.subject_id),
            (_events.c.action, wanted.action),
        ):
            if value is not None:
                query = query.where(column == value)
        is_backward = cursor is not None and cursor.is_backward
        if cursor is not None:
            [at] = cursor.key
            query = query.where(_events.c.id > at if is_backward else _events.c.id < at)
        query = query.order_by(_events.c.id if is_backward else _events.c.id.desc()).limit(count)
        return [_event(row) for row in tx.execute(query)]


def _event(row: Row[Any]) -> AuditEvent:
    deed = Deed(
        action=row.action,
        actor_id=row.actor_id,
        subject_id=row.subject_id,
        target=row.target,
        address=row.address,
        details=row.details,
    )
    return AuditEvent(id=row.id, at=row.at, deed=deed)
