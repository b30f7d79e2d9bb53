"""Messages by their words. Every method joins the caller's transaction, who has checked the owner."""

from collections.abc import Collection, Sequence
from typing import Final

from conversation_engine.domains.conversations.pins.service import PATH_MESSAGES
from conversation_engine.domains.conversations.repo import ConversationRepo, MessageRepo
from conversation_engine.domains.conversations.types import Conversation, Utterance
from conversation_engine.infra.db.database import Tx
from conversation_engine.infra.db.words import Place, learn, numbers_in_conversation, places_of_owner
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
    ) -> Sequence[Sequence[int]]:
        """For each word the messages of the active path that have it, below sequence number `before`; `most` at most.

        One statement; two in a branched conversation, where only the last `PATH_MESSAGES` of the path are found.
        """
        found = numbers_in_conversation(tx, words, conversation_id=conversation.id, before=before, most=most)
        if not conversation.is_branched or not any(found) or conversation.active_leaf_id is None:
            return found
        numbers = {number for having in found for number in having}
        leaf_id = conversation.active_leaf_id
        on_path = self._messages.numbers_on_path(tx, leaf_id, [*numbers], count=PATH_MESSAGES)
        return [[number for number in having if number in on_path] for having in found]

    def elsewhere(
        self, tx: Tx, conversation: Conversation, words: Sequence[str], *, most: int
    ) -> Sequence[Sequence[Place]]:
        """The same in all other conversations of its owner. One statement."""
        return places_of_owner(
            tx, words, owner_id=conversation.owner_id, but_conversation_id=conversation.id, most=most
        )

    def said_at(self, tx: Tx, places: Collection[tuple[ConversationId, int]]) -> list[tuple[ConversationId, Utterance]]:
        """What was said at these places, as far as anything was. One statement."""
        return self._messages.list_at(tx, places) if places else []
