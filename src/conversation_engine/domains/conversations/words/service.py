"""Messages by their words. Every method joins the caller's transaction, who has checked the owner."""

from collections.abc import Collection, Sequence
from typing import Final

from conversation_engine.domains.conversations.pins.service import PATH_MESSAGES
from conversation_engine.domains.conversations.repo import ConversationRepo, MessageRepo
from conversation_engine.domains.conversations.types import Conversation, Utterance
from conversation_engine.infra.db.database import Tx
from conversation_engine.infra.db.words import WordHit, hits_in_conversation, hits_of_owner, learn
from conversation_engine.kernel.ids import ConversationId

MOST_AT_ONCE: Final = 1000
"""Messages of one transaction: others want to write, too."""


class WordService:
    """The door to the index of words, which the database itself keeps."""

    def __init__(self) -> None:
        self._conversations = ConversationRepo()
        self._messages = MessageRepo()

    def learn(self, tx: Tx, conversation: Conversation, *, through: int) -> bool:
        """Let what was said up to sequence number `through` be found, `MOST_AT_ONCE` messages of it; is that all?

        A few statements, in the background.
        """
        through = min(through, conversation.last_sequence)
        until = min(through, conversation.words_through + MOST_AT_ONCE)
        if until > conversation.words_through:
            learn(tx, conversation.id, through=until)
            self._conversations.update(tx, conversation.id, words_through=until)
        return until >= through

    def in_conversation(
        self, tx: Tx, conversation: Conversation, words: Sequence[str], *, before: int, most: int
    ) -> list[WordHit]:
        """Messages of the active path that have one of `words`, below sequence number `before`; `most` for each word.

        One statement; two in a branched conversation, where only the last `PATH_MESSAGES` of the path are found.
        """
        hits = hits_in_conversation(tx, words, conversation_id=conversation.id, before=before, most=most)
        if not conversation.is_branched or not hits or conversation.active_leaf_id is None:
            return hits
        numbers = {hit.sequence_number for hit in hits}
        leaf_id = conversation.active_leaf_id
        on_path = self._messages.numbers_on_path(tx, leaf_id, [*numbers], count=PATH_MESSAGES)
        return [hit for hit in hits if hit.sequence_number in on_path]

    def elsewhere(self, tx: Tx, conversation: Conversation, words: Sequence[str], *, most: int) -> list[WordHit]:
        """The same in all other conversations of its owner. One statement."""
        return hits_of_owner(tx, words, owner_id=conversation.owner_id, but_conversation_id=conversation.id, most=most)

    def said_at(self, tx: Tx, places: Collection[tuple[ConversationId, int]]) -> list[tuple[ConversationId, Utterance]]:
        """What was said at these places, as far as anything was. One statement."""
        return self._messages.list_at(tx, places) if places else []
