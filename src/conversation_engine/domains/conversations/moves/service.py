"""Reading conversations as a whole, piece by piece."""

from collections.abc import Collection, Sequence

from conversation_engine.domains.conversations.moves.repo import MoveRepo
from conversation_engine.domains.conversations.repo import MessageRepo
from conversation_engine.domains.conversations.types import Conversation, Message
from conversation_engine.infra.db.database import Tx
from conversation_engine.kernel.ids import LlmRequestId
from conversation_engine.kernel.paging import Cursor


class MoveStore:
    """Serves the rooms above: they have checked who may do what. Every method joins the caller's transaction."""

    def __init__(self) -> None:
        self._repo = MoveRepo()
        self._messages = MessageRepo()

    def messages_after(self, tx: Tx, conversation: Conversation, number: int, *, count: int) -> Sequence[Message]:
        """The next messages of every branch, up to the last one that `conversation` knows. One index range."""
        at = Cursor(key=(number,))
        found = self._messages.list_of(tx, conversation.id, cursor=at, count=count, newest_first=False)
        return [one for one in found if one.sequence_number <= conversation.last_sequence]

    def path_numbers(self, tx: Tx, conversation: Conversation) -> frozenset[int] | None:
        """The sequence numbers of the active path; `None`: it is all messages. O(its length) where there are branches.

        Numbers alone: of a path too long for memory they take a thousandth.
        """
        if not conversation.is_branched:
            return None
        leaf_id = conversation.active_leaf_id
        return frozenset() if leaf_id is None else self._repo.path_numbers(tx, leaf_id)

    def last_answer(self, tx: Tx, conversation: Conversation, path: frozenset[int] | None) -> int:
        """The sequence number of the last whole reply on the path; 0: there is none."""
        numbers = self._repo.answer_numbers(tx, conversation.id)
        return max((one for one in numbers if path is None or one in path), default=0)

    def makers(self, tx: Tx, call_ids: Collection[LlmRequestId]) -> frozenset[LlmRequestId]:
        """Which of these model calls made a message that is still there. One statement."""
        return self._repo.makers(tx, call_ids)
