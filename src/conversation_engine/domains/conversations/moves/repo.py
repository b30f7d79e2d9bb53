"""Every query of moving conversations."""

from collections.abc import Collection

from sqlalchemy import bindparam, select

from conversation_engine.domains.conversations.models import MessageModel
from conversation_engine.infra.db.database import Tx
from conversation_engine.kernel.ids import ConversationId, LlmRequestId, MessageId

_messages = MessageModel.__table__
_path = (
    select(_messages.c.id, _messages.c.parent_id, _messages.c.sequence_number)
    .where(_messages.c.id == bindparam("leaf", type_=_messages.c.id.type))
    .cte("path", recursive=True)
)
_path = _path.union_all(
    select(_messages.c.id, _messages.c.parent_id, _messages.c.sequence_number).join(
        _path, _messages.c.id == _path.c.parent_id
    )
)
_PATH_NUMBERS = select(_path.c.sequence_number)


class MoveRepo:
    """Rows of `conversations` and `messages`, many at a time."""

    def path_numbers(self, tx: Tx, leaf_id: MessageId) -> frozenset[int]:
        """The sequence numbers of all that leads to a message, and its own."""
        return frozenset(tx.scalars(_PATH_NUMBERS, {"leaf": leaf_id}))

    def answer_numbers(self, tx: Tx, conversation_id: ConversationId) -> list[int]:
        """The sequence numbers of whole replies that a model made."""
        query = select(_messages.c.sequence_number).where(
            _messages.c.conversation_id == conversation_id,
            _messages.c.role == "assistant",
            _messages.c.status == "complete",
            ~_messages.c.is_fallback,
        )
        return list(tx.scalars(query))

    def makers(self, tx: Tx, call_ids: Collection[LlmRequestId]) -> frozenset[LlmRequestId]:
        """Which of these model calls made a message that is still there."""
        query = select(_messages.c.llm_request_id).where(_messages.c.llm_request_id.in_(list(call_ids)))
        return frozenset(tx.scalars(query))
