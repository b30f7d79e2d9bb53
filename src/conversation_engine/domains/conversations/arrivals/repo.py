"""Every query of arrivals."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import insert, select, update

from conversation_engine.domains.conversations.models import ConversationModel, MessageModel
from conversation_engine.domains.llm.models import LlmRequestModel
from conversation_engine.infra.db.database import Tx
from conversation_engine.kernel.ids import ConversationId, MessageId, UserId

_conversations = ConversationModel.__table__
_messages = MessageModel.__table__
_calls = LlmRequestModel.__table__


class ArrivalRepo:
    """Writes rows of `conversations` and `messages` as they are told."""

    def homes_of(self, tx: Tx, message_ids: Collection[MessageId]) -> dict[MessageId, ConversationId]:
        """Which of these ids are messages, and of which conversation."""
        query = select(_messages.c.id, _messages.c.conversation_id).where(_messages.c.id.in_(list(message_ids)))
        return {row.id: row.conversation_id for row in tx.execute(query)}

    def calls_of(self, tx: Tx, conversation_id: ConversationId, owner_id: UserId) -> frozenset[str]:
        """Ids of the model calls on record for a conversation, which may have been deleted since."""
        here = (_calls.c.conversation_id == conversation_id, _calls.c.owner_id == owner_id)
        return frozenset(tx.scalars(select(_calls.c.id).where(*here)))

    def update(self, tx: Tx, conversation_id: ConversationId, values: dict[str, Any]) -> None:
        """Set columns of a conversation."""
        tx.execute(update(_conversations).where(_conversations.c.id == conversation_id).values(**values))

    def insert_messages(self, tx: Tx, rows: Sequence[dict[str, Any]]) -> None:
        """Write messages, parents first."""
        tx.execute(insert(_messages), list(rows))
