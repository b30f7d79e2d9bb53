"""Parts of long paths, for those who sum them up. Every method joins the caller's transaction."""

from typing import Final

from conversation_engine.domains.conversations.repo import ConversationRepo, MessageRepo
from conversation_engine.domains.conversations.service import ConversationService
from conversation_engine.domains.conversations.types import Conversation, Utterance
from conversation_engine.infra.db.database import Tx
from conversation_engine.kernel.ids import MessageId

PAGE_MESSAGES: Final = 500


class PathService:
    """The door to parts of a path; its caller has checked the owner."""

    def __init__(self, conversations: ConversationService) -> None:
        self._door = conversations
        self._conversations = ConversationRepo()
        self._messages = MessageRepo()

    def since(self, tx: Tx, conversation: Conversation, number: int, *, most: int) -> list[Utterance]:
        """The messages of the active path after sequence number `number`, oldest first; the newest `most` of them."""
        found: list[Utterance] = []
        before: int | None = None
        while len(found) < most:
            page = self._door.newest(tx, conversation, count=min(PAGE_MESSAGES, most - len(found)), before=before)
            found += [utterance for utterance in page if utterance.sequence_number > number]
            if not page or page[-1].sequence_number <= number:
                break
            before = page[-1].sequence_number
        return found[::-1]

    def id_of(self, tx: Tx, conversation: Conversation, number: int) -> MessageId | None:
        """The message of this sequence number; `None` when it is deleted."""
        return self._messages.id_of(tx, conversation.id, number)

    def note_summary(self, tx: Tx, conversation: Conversation, *, through: int) -> None:
        """A summary covers everything up to this sequence number."""
        self._conversations.update(tx, conversation.id, summarized_through=through)
