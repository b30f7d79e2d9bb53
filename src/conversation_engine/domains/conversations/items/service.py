"""A conversation's active path as a list of items that come and go one by one."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from conversation_engine.domains.conversations.repo import ConversationRepo, MessageRepo
from conversation_engine.domains.conversations.service import ConversationService
from conversation_engine.domains.conversations.types import Conversation, Message, NewConversation, NewMessage
from conversation_engine.domains.llm.service import LlmService
from conversation_engine.infra.db.database import Database, Tx
from conversation_engine.infra.idempotency.ledger import IdempotencyLedger
from conversation_engine.infra.ids import new_id
from conversation_engine.kernel.clock import Clock
from conversation_engine.kernel.ids import ConversationId, MessageId, UserId
from conversation_engine.kernel.once import Once
from conversation_engine.kernel.paging import Cursor

Forget = Callable[[Tx, ConversationId, int], int]
"""Forgets, in the caller's transaction, what was made of the message of a sequence number; up to which such it leaves
any."""
SPARE: Final = 1
"""Rows more than asked for, to know whether there are more."""


class ItemService:
    """The door to items. It raises what the conversation's door raises."""

    def __init__(
        self,
        database: Database,
        *,
        conversations: ConversationService,
        llm: LlmService,
        ledger: IdempotencyLedger,
        clock: Clock,
        forget: Forget,
    ) -> None:
        """`forget` is told of each item that is taken out and may be part of a summary."""
        self._database = database
        self._door = conversations
        self._llm = llm
        self._ledger = ledger
        self._clock = clock
        self._forget = forget
        self._conversations = ConversationRepo()
        self._messages = MessageRepo()

    async def create(
        self, new: NewConversation, said: Sequence[NewMessage], *, once: Once | None = None
    ) -> Conversation:
        """Start a conversation in which this was said already. One transaction."""
        key, checked = ConversationId(new_id()), self._door.checked_conversation(new)
        messages = [self._door.checked_message(one) for one in said]

        def work(tx: Tx) -> Conversation:
            conversation = self._door.start(tx, key, checked)
            self._append(tx, key, messages, owner_id=new.owner_id)
            return conversation

        return await self._ledger.write(
            once,
            work,
            owner_id=new.owner_id,
            result_id=key,
            replay=lambda tx, known: self._door.owned(tx, ConversationId(known), owner_id=new.owner_id),
        )

    async def add(
        self,
        conversation_id: ConversationId,
        said: Sequence[NewMessage],
        *,
        owner_id: UserId,
        once: Once | None = None,
    ) -> Sequence[Message]:
        """Put messages at the end, all or none. One transaction. A repetition gives those of the first time."""
        messages = [self._door.checked_message(one) for one in said]

        def replay(tx: Tx, first_id: str) -> Sequence[Message]:
            self._door.owned(tx, conversation_id, owner_id=owner_id)
            first = self._door.message(tx, conversation_id, MessageId(first_id))
            at = Cursor(key=(first.sequence_number - 1,))
            count = len(messages)
            return self._messages.list_of(tx, conversation_id, cursor=at, count=count, newest_first=False)

        return await self._ledger.write(
            once,
            lambda tx: self._append(tx, conversation_id, messages, owner_id=owner_id),
            owner_id=owner_id,
            result_id=messages[0].id,
            replay=replay,
        )

    async def page(
        self,
        conversation_id: ConversationId,
        *,
        owner_id: UserId,
        after: MessageId | None,
        limit: int,
        newest_first: bool,
        is_after_shown: bool = False,
    ) -> tuple[Sequence[Message], bool]:
        """At most `limit` items of the active path after `after`, and whether there are more. Two or three statements.

        `is_after_shown`: and `after` itself before them. Raises MessageNotFoundError.
        """
        count = limit + (is_after_shown and after is not None)

        def work(tx: Tx) -> Sequence[Message]:
            conversation = self._door.owned(tx, conversation_id, owner_id=owner_id)
            at = None
            if after is not None:
                number = self._door.message(tx, conversation.id, after).sequence_number
                at = Cursor(key=(number + is_after_shown * (1 if newest_first else -1),))
            wanted: Any = {"cursor": at, "count": count + SPARE, "newest_first": newest_first}
            if not conversation.is_branched:
                return self._messages.list_of(tx, conversation.id, **wanted)
            leaf_id = conversation.active_leaf_id
            return [] if leaf_id is None else self._messages.list_of_path(tx, leaf_id, **wanted)

        found = await self._database.read(work)
        return found[:count], len(found) > count

    async def take_out(
        self, conversation_id: ConversationId, message_id: MessageId, *, owner_id: UserId
    ) -> Conversation:
        """Remove one message; what follows it now follows what it followed. One transaction.

        Raises MessageNotFoundError. Sequence numbers stay as they are.
        """

        def work(tx: Tx) -> Conversation:
            conversation = self._door.hold(tx, conversation_id, owner_id=owner_id)
            message = self._door.message(tx, conversation.id, message_id)
            through = conversation.summarized_through
            if message.sequence_number <= through:
                through = self._forget(tx, conversation.id, message.sequence_number)
            self._messages.splice(tx, message)
            leaf_id = message.parent_id if conversation.active_leaf_id == message.id else conversation.active_leaf_id
            changed: dict[str, Any] = {
                "active_leaf_id": leaf_id,
                "message_count": conversation.message_count - 1,
                "summarized_through": through,
                "updated_at": self._clock.now(),
            }
            self._conversations.update(tx, conversation.id, **changed)
            return replace(conversation, **changed)

        return await self._database.write(work)

    # ── for other rooms: these join the caller's transaction, who has checked the owner ──

    def before(self, tx: Tx, conversation_id: ConversationId, number: int, *, count: int) -> Sequence[Message]:
        """The messages below a sequence number, newest first, of every branch. One statement."""
        at = Cursor(key=(number,))
        return self._messages.list_of(tx, conversation_id, cursor=at, count=count, newest_first=True)

    def remove_all(self, tx: Tx, conversation: Conversation) -> None:
        """Remove a conversation with everything said in it, as `ConversationService.delete` does."""
        self._llm.forget(tx, conversation.id)
        self._conversations.delete(tx, conversation.id)

    def _append(
        self, tx: Tx, conversation_id: ConversationId, messages: Sequence[NewMessage], *, owner_id: UserId
    ) -> Sequence[Message]:
        return [self._door.append(tx, conversation_id, one, owner_id=owner_id)[1] for one in messages]
