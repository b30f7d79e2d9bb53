"""Queries about conversations by who plays in them and who reads along."""

from collections.abc import Sequence

from sqlalchemy import select

from conversation_engine.domains.conversations.models import ConversationModel
from conversation_engine.domains.conversations.rows import conversation_of
from conversation_engine.domains.conversations.sessions.types import SessionFilter
from conversation_engine.domains.conversations.types import Conversation, ConversationStatus
from conversation_engine.infra.db.database import Tx
from conversation_engine.kernel.ids import PersonaId, UserId
from conversation_engine.kernel.paging import Cursor

_conversations = ConversationModel.__table__


class SessionRepo:
    """Rows of `conversations`."""

    def find_active(self, tx: Tx, owner_id: UserId, persona_id: PersonaId) -> Conversation | None:
        """The one active session of a student with a client; the database allows no second."""
        query = select(*_conversations.c).where(
            _conversations.c.owner_id == owner_id,
            _conversations.c.persona_id == persona_id,
            _conversations.c.status == ConversationStatus.ACTIVE.value,
        )
        row = tx.execute(query).first()
        return None if row is None else conversation_of(row)

    def list_of(self, tx: Tx, wanted: SessionFilter, *, cursor: Cursor | None, count: int) -> Sequence[Conversation]:
        """Newest first (ids grow with time), from `cursor` in its direction."""
        query = select(*_conversations.c)
        for column, value in (
            (_conversations.c.owner_id, wanted.owner_id),
            (_conversations.c.supervisor_id, wanted.supervisor_id),
            (_conversations.c.persona_id, wanted.persona_id),
            (_conversations.c.status, wanted.status.value if wanted.status else None),
        ):
            if value is not None:
                query = query.where(column == value)
        if wanted.only_sessions:
            query = query.where(_conversations.c.persona_id.is_not(None))
        is_backward = cursor is not None and cursor.is_backward
        if cursor is not None:
            [at] = cursor.key
            query = query.where(_conversations.c.id > at if is_backward else _conversations.c.id < at)
        query = query.order_by(_conversations.c.id if is_backward else _conversations.c.id.desc()).limit(count)
        return [conversation_of(row) for row in tx.execute(query)]
