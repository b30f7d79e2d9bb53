"""What one can do with pins."""

from dataclasses import replace
from typing import Final

from conversation_engine.domains.conversations.errors import TooManyPinsError
from conversation_engine.domains.conversations.repo import ConversationRepo, MessageRepo
from conversation_engine.domains.conversations.service import ConversationService
from conversation_engine.domains.conversations.settings import ConversationSettings
from conversation_engine.domains.conversations.types import Conversation, Message, Utterance
from conversation_engine.infra.db.database import Tx
from conversation_engine.infra.idempotency.ledger import IdempotencyLedger
from conversation_engine.kernel.clock import Clock
from conversation_engine.kernel.ids import ConversationId, MessageId, UserId, parse_id
from conversation_engine.kernel.once import Once

PATH_MESSAGES: Final = 2000
"""How far up a branched path older messages are looked for: the walk is a look-up by key a message."""


class PinService:
    """The door to pins. It raises what the door to conversations raises."""

    def __init__(
        self,
        *,
        conversations: ConversationService,
        clock: Clock,
        settings: ConversationSettings,
        ledger: IdempotencyLedger,
    ) -> None:
        self._door = conversations
        self._clock = clock
        self._settings = settings
        self._ledger = ledger
        self._conversations = ConversationRepo()
        self._messages = MessageRepo()

    async def pin(
        self,
        conversation_id: ConversationId,
        message_id: MessageId,
        *,
        owner_id: UserId,
        once: Once | None = None,
    ) -> Message:
        """Keep a message in every window of its path, however old it gets. Idempotent. One short transaction.

        Raises MessageNotFoundError, and TooManyPinsError.
        """
        return await self._set(conversation_id, message_id, owner_id=owner_id, is_pinned=True, once=once)

    async def unpin(
        self,
        conversation_id: ConversationId,
        message_id: MessageId,
        *,
        owner_id: UserId,
        once: Once | None = None,
    ) -> Message:
        """Let it grow old like the others. Idempotent. One short transaction. Raises MessageNotFoundError."""
        return await self._set(conversation_id, message_id, owner_id=owner_id, is_pinned=False, once=once)

    def of_path(self, tx: Tx, conversation: Conversation) -> list[Utterance]:
        """The pinned messages on the path to `conversation.active_leaf_id`, in order.

        Where nothing was ever pinned no statement, else one; two in a branched conversation: there a pin counts while
        it is among the last `PATH_MESSAGES` of the path.
        """
        if not conversation.has_pins:
            return []
        found = self._messages.list_pinned(tx, conversation.id)
        if not conversation.is_branched or not found or conversation.active_leaf_id is None:
            return found
        numbers = [utterance.sequence_number for utterance in found]
        on_path = self._messages.numbers_on_path(tx, conversation.active_leaf_id, numbers, count=PATH_MESSAGES)
        return [utterance for utterance in found if utterance.sequence_number in on_path]

    async def _set(
        self,
        conversation_id: ConversationId,
        message_id: MessageId,
        *,
        owner_id: UserId,
        is_pinned: bool,
        once: Once | None,
    ) -> Message:
        def work(tx: Tx) -> Message:
            conversation = self._door.hold(tx, conversation_id, owner_id=owner_id)
            message = self._door.message(tx, conversation.id, message_id)
            if message.is_pinned is is_pinned:
                return message
            pinned = len(self._messages.list_pinned(tx, conversation.id)) + (1 if is_pinned else -1)
            if pinned > self._settings.pin_limit_messages:
                raise TooManyPinsError(self._settings.pin_limit_messages)
            self._messages.set_pinned(tx, message.id, is_pinned=is_pinned)
            self._conversations.update(tx, conversation.id, has_pins=pinned > 0, updated_at=self._clock.now())
            return replace(message, is_pinned=is_pinned)

        def replay(tx: Tx, known: str) -> Message:
            owned = self._door.owned(tx, conversation_id, owner_id=owner_id)
            return self._door.message(tx, owned.id, MessageId(known))

        return await self._ledger.write(once, work, owner_id=owner_id, result_id=parse_id(message_id), replay=replay)
