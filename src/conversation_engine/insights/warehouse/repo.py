"""Every query of the warehouse's feed."""

import json
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Row, and_, delete, func, literal, or_, select

from conversation_engine.domains.conversations.models import ConversationModel, MessageModel
from conversation_engine.infra.db.changes import are_watched, unwatch, watch
from conversation_engine.infra.db.database import Tx
from conversation_engine.infra.db.functions import upsert_into
from conversation_engine.insights.warehouse.models import WarehouseChangeModel
from conversation_engine.insights.warehouse.types import Batch, Change, MessageRow, SessionRow, Subject

_changes = WarehouseChangeModel.__table__
_conversations = ConversationModel.__table__
_messages = MessageModel.__table__
_SOURCES: Final = {Subject.SESSION: _conversations, Subject.MESSAGE: _messages}
_WATCHED: Final = {table.name: subject.value for subject, table in _SOURCES.items()}


class ChangeRepo:
    """Rows of `warehouse_changes`, and what they are about."""

    def watch(self, tx: Tx) -> None:
        """Note changes from now on. Idempotent."""
        watch(tx, _changes.name, _WATCHED)

    def unwatch(self, tx: Tx) -> None:
        """Note none any more, and forget those that were noted. Idempotent."""
        unwatch(tx, _changes.name, _WATCHED)
        tx.execute(delete(_changes))

    def is_watched(self, tx: Tx) -> bool:
        """Whether changes are noted."""
        return are_watched(tx, _changes.name, _WATCHED)

    def note_all(self, tx: Tx) -> None:
        """As if everything had changed. Two statements; O(all there is), ids alone."""
        for subject, table in _SOURCES.items():
            rows = select(literal(subject.value), table.c.id, literal(1)).where(literal(1) == 1)
            statement = upsert_into(tx, _changes).from_select(["subject", "subject_id", "generation"], rows)
            again = {"generation": _changes.c.generation + 1}
            tx.execute(statement.on_conflict_do_update(index_elements=["subject", "subject_id"], set_=again))

    def count(self, tx: Tx) -> int:
        """Changes that are not carried yet."""
        return tx.scalar(select(func.count()).select_from(_changes)) or 0

    def next_batch(self, tx: Tx, *, count: int) -> Batch:
        """The next changes, sessions before messages, and how what they are about is in this snapshot."""
        query = select(*_changes.c).order_by(_changes.c.subject.desc(), _changes.c.subject_id).limit(count)
        changes = [
            Change(subject=Subject(row.subject), id=row.subject_id, generation=row.generation)
            for row in tx.execute(query)
        ]
        sessions = [_session(row) for row in self._rows(tx, changes, Subject.SESSION)]
        messages = [_message(row) for row in self._rows(tx, changes, Subject.MESSAGE)]
        there = {one.session_id for one in sessions} | {one.message_id for one in messages}
        gone = [change for change in changes if change.id not in there]
        return Batch(
            changes=changes,
            sessions=sessions,
            messages=messages,
            gone_sessions=[change.id for change in gone if change.subject is Subject.SESSION],
            gone_messages=[change.id for change in gone if change.subject is Subject.MESSAGE],
        )

    def forget(self, tx: Tx, changes: Sequence[Change]) -> None:
        """They are carried, but for those that have changed again since."""
        carried = [
            and_(
                _changes.c.subject == one.subject.value,
                _changes.c.subject_id == one.id,
                _changes.c.generation == one.generation,
            )
            for one in changes
        ]
        for start in range(0, len(carried), 100):
            tx.execute(delete(_changes).where(or_(*carried[start : start + 100])))

    def _rows(self, tx: Tx, changes: Sequence[Change], subject: Subject) -> Sequence[Row[Any]]:
        ids = [change.id for change in changes if change.subject is subject]
        table = _SOURCES[subject]
        return tx.execute(select(*table.c).where(table.c.id.in_(ids))).all() if ids else []


def _session(row: Row[Any]) -> SessionRow:
    fields = row._mapping
    return SessionRow(
        session_id=row.id,
        created_at=row.created_at,
        last_updated=row.updated_at,
        user_id=row.owner_id,
        context={
            "title": row.title,
            "type": row.type,
            "status": row.status,
            "message_count": row.message_count,
            "input_tokens": row.input_tokens,
            "output_tokens": row.output_tokens,
            "total_cost": str(row.cost),
            "persona_id": row.persona_id,
            "metadata": fields["metadata"],
        },
    )


def _message(row: Row[Any]) -> MessageRow:
    fields = row._mapping
    return MessageRow(
        message_id=row.id,
        session_id=row.conversation_id,
        role=row.role,
        content=json.loads(row.content) if row.content_format == "json" else row.content,
        timestamp=row.created_at,
        metadata={
            **fields["metadata"],
            "engine": {
                "sequence_number": row.sequence_number,
                "parent_id": row.parent_id,
                "status": row.status,
                "token_count": row.token_count,
                "cost": None if row.cost is None else str(row.cost),
                "turn_id": row.turn_id,
                "llm_request_id": row.llm_request_id,
            },
        },
    )
