"""What one can do with a conversation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from conversation_engine.domains.conversations.changes import forked, status_values, with_known_parent
from conversation_engine.domains.conversations.checks import Checks, check_filter, check_owner, checked_limit
from conversation_engine.domains.conversations.errors import (
    ConversationNotActiveError,
    ConversationNotFoundError,
    MessageNotFoundError,
    SessionActiveError,
    SessionFixedError,
)
from conversation_engine.domains.conversations.ownership import checked_owner
from conversation_engine.domains.conversations.repo import ConversationRepo, MessageRepo
from conversation_engine.domains.conversations.settings import ConversationSettings
from conversation_engine.domains.conversations.types import (
    BEGINNING,
    BusyPolicy,
    Conversation,
    ConversationFilter,
    ConversationStatus,
    JsonObject,
    Message,
    MessageRole,
    NewConversation,
    NewMessage,
    Usage,
    Utterance,
)
from conversation_engine.domains.llm.service import LlmService
from conversation_engine.infra.db.database import ConstraintViolation, Database, Tx
from conversation_engine.infra.idempotency.ledger import IdempotencyLedger
from conversation_engine.infra.ids import new_id
from conversation_engine.kernel.clock import Clock
from conversation_engine.kernel.ids import ConversationId, MessageId, UserId, parse_id
from conversation_engine.kernel.once import Once
from conversation_engine.kernel.paging import Cursor, Page, make_page
from conversation_engine.kernel.windows import WindowOptions


class ConversationService:
    """The door to conversations and messages. Every method is scoped by the owner.

    All raise InvalidIdError for what is no id, ConversationNotFoundError for an unknown one and
    ConversationForbiddenError for somebody else's. With `once` a repeated change happens once and gives the result as
    it is now; IdempotencyKeyReusedError where the key was another request's.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        settings: ConversationSettings,
        ledger: IdempotencyLedger,
        llm: LlmService,
    ) -> None:
        self._database = database
        self._clock = clock
        self._checks = Checks(settings)
        self._ledger = ledger
        self._llm = llm
        self._conversations = ConversationRepo()
        self._messages = MessageRepo()

    async def create(self, new: NewConversation, *, once: Once | None = None) -> Conversation:
        """Start an empty conversation. Metadata is copied. One short transaction."""
        key, checked = ConversationId(new_id()), self.checked_conversation(new)
        return await self._change(once, lambda tx: self.start(tx, key, checked), owner_id=new.owner_id, result_id=key)

    async def get(self, conversation_id: ConversationId, *, owner_id: UserId) -> Conversation:
        """One conversation, without its messages."""
        return await self._database.read(lambda tx: self._owned(tx, conversation_id, owner_id))

    async def list_of(
        self, owner_id: UserId, wanted: ConversationFilter, *, cursor: str | None = None, limit: int = 50
    ) -> Page[Conversation]:
        """The owner's conversations, newest first. Costs the same on every page."""
        check_owner(owner_id)
        if wanted.type is not None:
            check_filter(wanted.type)
        at = None if cursor is None else Cursor.decode(cursor, types=(UUID,))
        limit = checked_limit(limit)
        rows = await self._database.read(
            lambda tx: self._conversations.list_of(tx, owner_id, wanted, cursor=at, count=limit + 1)
        )
        return make_page(rows, limit=limit, cursor=at, key_of=lambda row: (row.id,))

    async def rename(
        self, conversation_id: ConversationId, title: str, *, owner_id: UserId, once: Once | None = None
    ) -> Conversation:
        """Give it a title."""
        return await self.change(conversation_id, owner_id=owner_id, title=title, once=once)

    async def change(
        self,
        conversation_id: ConversationId,
        *,
        owner_id: UserId,
        title: str | None = None,
        status: ConversationStatus | None = None,
        metadata: Mapping[str, Any] | None = None,
        on_busy: BusyPolicy | None = None,
        collection_ids: Sequence[str] | None = None,
        window: WindowOptions | None = None,
        once: Once | None = None,
    ) -> Conversation:
        """Change what is not `None`, all of it or nothing: one short transaction."""
        values: dict[str, object] = {}
        if title is not None:
            values["title"] = self._checks.title(title)
        if metadata is not None:
            values["metadata"] = self.checked_metadata(metadata)
        if on_busy is not None:
            values["on_busy"] = on_busy.value
        if collection_ids is not None:
            values["collection_ids"] = list(collection_ids) or None
        values |= {} if window is None else {"window": window.as_json()}

        def work(tx: Tx) -> Conversation:
            conversation = self._owned(tx, conversation_id, owner_id)
            now = self._clock.now()
            changed = values | status_values(conversation, status, at=now)
            if not changed:
                return conversation
            self._conversations.update(tx, conversation_id, updated_at=now, **changed)
            return self._owned(tx, conversation_id, owner_id)

        return await self._change(once, work, owner_id=owner_id, result_id=conversation_id)

    async def set_status(
        self, conversation_id: ConversationId, status: ConversationStatus, *, owner_id: UserId
    ) -> Conversation:
        """Move it to `status`; leaving `active` stamps `ended_at`, coming back clears it. Idempotent."""
        return await self.change(conversation_id, owner_id=owner_id, status=status)

    async def set_metadata(
        self, conversation_id: ConversationId, metadata: Mapping[str, Any] | None, *, owner_id: UserId
    ) -> Conversation:
        """Replace its metadata by a copy of `metadata` (`None` means `{}`)."""
        return await self.change(conversation_id, owner_id=owner_id, metadata=metadata or {})

    async def end(self, conversation_id: ConversationId, *, owner_id: UserId, once: Once | None = None) -> Conversation:
        """Complete it: it keeps its history and takes no more messages. Idempotent."""
        return await self.change(conversation_id, owner_id=owner_id, status=ConversationStatus.COMPLETED, once=once)

    async def delete(self, conversation_id: ConversationId, *, owner_id: UserId, once: Once | None = None) -> None:
        """Remove it with everything said in it; what its model calls cost stays on record (decision 8).

        A second call raises ConversationNotFoundError, but for a repeat.
        """

        def work(tx: Tx) -> None:
            conversation = self._owned(tx, conversation_id, owner_id)
            self._llm.forget(tx, conversation.id)
            self._conversations.delete(tx, conversation.id)

        await self._ledger.write(
            once, work, owner_id=owner_id, result_id=parse_id(conversation_id), replay=lambda tx, gone: None
        )

    async def add_message(
        self,
        conversation_id: ConversationId,
        new: NewMessage,
        *,
        owner_id: UserId,
        usage: Usage | None = None,
        once: Once | None = None,
    ) -> Message:
        """Write one message that no turn made. One short transaction.

        `usage` is that of a model call that was not ours: it goes on record as one (at the message's own cost, which
        may be unknown), and is added to the totals.
        """
        checked = self.checked_message(new)

        def work(tx: Tx) -> Message:
            conversation, message = self.append(tx, conversation_id, checked, owner_id=owner_id, usage=usage)
            if usage is not None:
                self._llm.record_elsewhere(
                    tx,
                    conversation.id,
                    owner_id=owner_id,
                    input_tokens=usage.input_tokens,
                    output_tokens=usage.output_tokens,
                    cost=checked.cost,
                )
            return message

        def replay(tx: Tx, message_id: str) -> Message:
            self._owned(tx, conversation_id, owner_id)
            return self.message(tx, conversation_id, MessageId(message_id))

        return await self._ledger.write(once, work, owner_id=owner_id, result_id=checked.id, replay=replay)

    async def list_messages(
        self,
        conversation_id: ConversationId,
        *,
        owner_id: UserId,
        cursor: str | None = None,
        limit: int = 50,
        newest_first: bool = False,
    ) -> Page[Message]:
        """Messages by sequence number. Two statements, the same cost on every page."""
        at = None if cursor is None else Cursor.decode(cursor, types=(int,))
        limit = checked_limit(limit)

        def work(tx: Tx) -> list[Message]:
            self._owned(tx, conversation_id, owner_id)
            return list(
                self._messages.list_of(tx, conversation_id, cursor=at, count=limit + 1, newest_first=newest_first)
            )

        rows = await self._database.read(work)
        return make_page(rows, limit=limit, cursor=at, key_of=lambda row: (row.sequence_number,))

    async def get_message(self, conversation_id: ConversationId, message_id: MessageId, *, owner_id: UserId) -> Message:
        """One message. Raises MessageNotFoundError."""

        def work(tx: Tx) -> Message:
            self._owned(tx, conversation_id, owner_id)
            return self.message(tx, conversation_id, message_id)

        return await self._database.read(work)

    # ── the tree: messages follow each other by `parent_id`; the active path leads from a first one to the leaf ──

    async def path(
        self,
        conversation_id: ConversationId,
        *,
        owner_id: UserId,
        cursor: str | None = None,
        limit: int = 50,
        newest_first: bool = False,
    ) -> Page[Message]:
        """The active path, in the manner of `list_messages`. Two statements; in a branched one O(its length)."""
        at = None if cursor is None else Cursor.decode(cursor, types=(int,))
        limit = checked_limit(limit)

        def work(tx: Tx) -> Sequence[Message]:
            conversation = self._owned(tx, conversation_id, owner_id)
            wanted: Any = {"cursor": at, "count": limit + 1, "newest_first": newest_first}
            if not conversation.is_branched:
                return self._messages.list_of(tx, conversation.id, **wanted)
            leaf_id = conversation.active_leaf_id
            return [] if leaf_id is None else self._messages.list_of_path(tx, leaf_id, **wanted)

        rows = await self._database.read(work)
        return make_page(rows, limit=limit, cursor=at, key_of=lambda row: (row.sequence_number,))

    async def siblings(
        self, conversation_id: ConversationId, message_id: MessageId, *, owner_id: UserId
    ) -> Sequence[Message]:
        """The versions of a message: what follows the same one, itself included, oldest first. Three statements.

        Raises MessageNotFoundError.
        """

        def work(tx: Tx) -> Sequence[Message]:
            conversation = self._owned(tx, conversation_id, owner_id)
            return self._messages.list_siblings(tx, self.message(tx, conversation.id, message_id))

        return await self._database.read(work)

    async def choose(
        self,
        conversation_id: ConversationId,
        message_id: MessageId,
        *,
        owner_id: UserId,
        once: Once | None = None,
    ) -> Conversation:
        """Make a path through this message the active one: that to its newest descendant. Idempotent.

        Raises MessageNotFoundError. O(descendants). The reply of a running turn becomes the leaf when it is recorded.
        """

        def work(tx: Tx) -> Conversation:
            conversation = self.hold(tx, conversation_id, owner_id=owner_id)
            message = self.message(tx, conversation.id, message_id)
            leaf_id = self._messages.newest_below(tx, message.id)
            if leaf_id == conversation.active_leaf_id:
                return conversation
            now = self._clock.now()
            self._conversations.update(tx, conversation.id, active_leaf_id=leaf_id, updated_at=now)
            return replace(conversation, active_leaf_id=leaf_id, updated_at=now)

        return await self._change(once, work, owner_id=owner_id, result_id=conversation_id)

    async def fork(
        self,
        conversation_id: ConversationId,
        message_id: MessageId,
        *,
        owner_id: UserId,
        once: Once | None = None,
    ) -> Conversation:
        """A new, active conversation with copies of what leads to this message and of the message itself.

        It keeps title, type, prompt, model and metadata, which says in `forked_from` whence it comes; tokens and cost
        start at zero. Raises MessageNotFoundError. One short transaction, O(messages copied).
        """
        fork_id = ConversationId(new_id())

        def work(tx: Tx) -> Conversation:
            source = self.hold(tx, conversation_id, owner_id=owner_id)
            message = self.message(tx, source.id, message_id)
            now = self._clock.now()
            self._conversations.insert(tx, fork_id, forked(source, message), at=now)
            copies = self._messages.copy_path(tx, message.id, fork_id)
            count, leaf_id = len(copies), copies[-1]
            counted = {"message_count": count, "last_sequence": count, "has_pins": source.has_pins}
            self._conversations.update(tx, fork_id, active_leaf_id=leaf_id, last_message_at=now, **counted)
            return self._owned(tx, fork_id, owner_id)

        return await self._change(once, work, owner_id=owner_id, result_id=fork_id)

    async def delete_message(self, conversation_id: ConversationId, message_id: MessageId, *, owner_id: UserId) -> int:
        """Remove a message and everything that follows it, on every branch; how many messages these were.

        Raises MessageNotFoundError. See `remove_message`; `TurnService.delete_message` refuses while a turn runs.
        """
        return await self._database.write(
            lambda tx: self.remove_message(tx, self.hold(tx, conversation_id, owner_id=owner_id), message_id)
        )

    async def _change(
        self, once: Once | None, work: Callable[[Tx], Conversation], *, owner_id: UserId, result_id: ConversationId
    ) -> Conversation:
        """One transaction that leaves a conversation; a repetition finds it as it is now."""
        try:
            return await self._ledger.write(
                once,
                work,
                owner_id=owner_id,
                result_id=parse_id(result_id),
                replay=lambda tx, known: self._owned(tx, ConversationId(known), owner_id),
            )
        except ConstraintViolation as error:  # the one that they can break: one active session with a client
            raise SessionActiveError from error

    # ── for other rooms: these join the caller's transaction ──

    def start(self, tx: Tx, conversation_id: ConversationId, checked: NewConversation) -> Conversation:
        """Start an empty conversation under a new id; `checked` is what `checked_conversation` gave. Two statements."""
        self._conversations.insert(tx, conversation_id, checked, at=self._clock.now())
        return self._owned(tx, conversation_id, checked.owner_id)

    def append(
        self,
        tx: Tx,
        conversation_id: ConversationId,
        new: NewMessage,
        *,
        owner_id: UserId,
        usage: Usage | None = None,
    ) -> tuple[Conversation, Message]:
        """Write `new` (already checked) as the next message and add `usage` to the totals; a
        statement or two (`ChangeAndInsert`).

        It follows `new.parent_id`, or else the active leaf, and becomes the leaf; to check a named parent takes two
        more. Raises ConversationNotActiveError when the conversation has ended, MessageNotFoundError when
        it has no such parent.
        """
        now = self._clock.now()
        known_id, new = ConversationId(parse_id(conversation_id)), with_known_parent(new)
        if new.parent_id not in (None, BEGINNING):
            self.hold(tx, known_id, owner_id=owner_id)  # so that nobody deletes the parent any more
            self.message(tx, known_id, new.parent_id)
        written = self._conversations.append(tx, owner_id, known_id, new, usage=usage or Usage(), at=now)
        if written is None:
            owned = self._owned(tx, conversation_id, owner_id)
            raise ConversationNotActiveError(conversation_id, owned.status)
        if written[0].persona_id is not None and new.role is not MessageRole.USER:
            raise SessionFixedError  # and with it goes what was written
        return written

    def append_reply(
        self, tx: Tx, conversation_id: ConversationId, new: NewMessage, *, owner_id: UserId, usage: Usage
    ) -> tuple[Conversation, Message]:
        """Write a reply under `new.parent_id` and add `usage` to the totals, whatever the status; a statement
        or two.

        In a conversation without branches it goes to the end, behind what was said meanwhile. If the parent was
        deleted meanwhile, it follows the active leaf.
        """
        now = self._clock.now()
        written = self._conversations.append_reply(tx, owner_id, conversation_id, new, usage=usage, at=now)
        if written is None:
            raise ConversationNotFoundError(conversation_id)
        return written

    def count_newest_tokens(self, tx: Tx, conversation_id: ConversationId, *, most: int) -> tuple[int, int]:
        """How many messages there are, up to `most`, and the tokens of the newest of them. One statement."""
        return self._messages.count_newest_tokens(tx, conversation_id, most=most)

    def add_usage(self, tx: Tx, conversation_id: ConversationId, usage: Usage) -> None:
        """Add to the totals where a model call left no message. One statement."""
        self._conversations.add_usage(tx, conversation_id, usage, at=self._clock.now())

    def open_for_reply(
        self, tx: Tx, conversation_id: ConversationId, *, owner_id: UserId, parent_id: MessageId | None = None
    ) -> Conversation:
        """The owner's conversation as seen from `parent_id`, the message to answer; `None`: from its active leaf.

        Held until `tx` ends. The stored leaf moves with the reply only. One statement, up to three with a
        `parent_id`. Raises ConversationNotActiveError when it has ended, MessageNotFoundError.
        """
        conversation = self.hold(tx, conversation_id, owner_id=owner_id)
        if conversation.status is not ConversationStatus.ACTIVE:
            raise ConversationNotActiveError(conversation_id, conversation.status)
        if parent_id is None:
            return conversation
        leaf_id = self.message(tx, conversation.id, parent_id).id
        if not conversation.is_branched and leaf_id != conversation.active_leaf_id:
            self._conversations.update(tx, conversation.id, is_branched=True)
            conversation = replace(conversation, is_branched=True)
        return replace(conversation, active_leaf_id=leaf_id)

    def hold(self, tx: Tx, conversation_id: ConversationId, *, owner_id: UserId) -> Conversation:
        """The owner's conversation; nobody else writes to it before `tx`, a write transaction, ends."""
        found = self._conversations.find_and_hold(tx, ConversationId(parse_id(conversation_id)))
        return checked_owner(found, conversation_id, owner_id)

    def remove_message(self, tx: Tx, conversation: Conversation, message_id: MessageId) -> int:
        """Remove a message of a held conversation, and what follows it; how many these were. Five statements.

        If the active path led there, it now ends with the message before. Sequence numbers stay as they are and are
        not given out again. Raises MessageNotFoundError.
        """
        message = self.message(tx, conversation.id, message_id)
        removed = self._messages.delete_below(tx, message.id)
        leaf_id = conversation.active_leaf_id
        if leaf_id is not None and self.find_message(tx, conversation.id, leaf_id) is None:
            leaf_id = message.parent_id
        self._conversations.update(
            tx,
            conversation.id,
            active_leaf_id=leaf_id,
            message_count=conversation.message_count - removed,
            updated_at=self._clock.now(),
        )
        return removed

    def owned(self, tx: Tx, conversation_id: ConversationId, *, owner_id: UserId) -> Conversation:
        """The conversation, if it is the owner's."""
        return self._owned(tx, conversation_id, owner_id)

    def message(self, tx: Tx, conversation_id: ConversationId, message_id: MessageId) -> Message:
        """One message of a conversation whose owner was checked. Raises InvalidIdError or MessageNotFoundError."""
        found = self.find_message(tx, conversation_id, MessageId(parse_id(message_id)))
        if found is None:
            raise MessageNotFoundError(message_id)
        return found

    def find_message(self, tx: Tx, conversation_id: ConversationId, message_id: MessageId) -> Message | None:
        """The same, `None` if it does not exist."""
        return self._messages.find(tx, conversation_id, message_id)

    def newest(self, tx: Tx, conversation: Conversation, *, count: int, before: int | None = None) -> list[Utterance]:
        """The newest messages of the path to `conversation.active_leaf_id`, newest first; at most `count`.

        `before` is the sequence number of the last one of the page before. One statement: an index range, or in a
        branched conversation `count` look-ups by key.
        """
        leaf_id = conversation.active_leaf_id
        if not conversation.is_branched:
            below = conversation.last_sequence + 1 if before is None else before
            return self._messages.list_newest(tx, conversation.id, before=below, count=count)
        if leaf_id is None:
            return []
        return self._messages.list_newest_of_path(tx, conversation.id, leaf_id=leaf_id, before=before, count=count)

    def checked_conversation(self, new: NewConversation) -> NewConversation:
        """See `Checks.conversation`."""
        return self._checks.conversation(new)

    def checked_message(self, new: NewMessage) -> NewMessage:
        """See `Checks.message`."""
        return self._checks.message(new)

    def checked_prompt(self, text: str) -> str:
        """See `Checks.prompt`."""
        return self._checks.prompt(text)

    def checked_metadata(self, metadata: Mapping[str, Any] | None) -> JsonObject:
        """See `Checks.metadata`."""
        return self._checks.metadata(metadata)

    def _owned(self, tx: Tx, conversation_id: ConversationId, owner_id: UserId) -> Conversation:
        found = self._conversations.find(tx, ConversationId(parse_id(conversation_id)))
        return checked_owner(found, conversation_id, owner_id)
