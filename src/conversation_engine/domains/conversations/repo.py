"""Every query about conversations and messages."""

import json
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    CTE,
    Column,
    ColumnElement,
    Row,
    Select,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    literal,
    select,
    tuple_,
    update,
)

from conversation_engine.domains.conversations.models import ConversationModel, MessageModel
from conversation_engine.domains.conversations.rows import conversation_of
from conversation_engine.domains.conversations.types import (
    BEGINNING,
    Content,
    Conversation,
    ConversationFilter,
    ConversationStatus,
    Message,
    MessageRole,
    MessageStatus,
    NewConversation,
    NewMessage,
    Usage,
    Utterance,
)
from conversation_engine.infra.db.database import Tx
from conversation_engine.infra.db.functions import is_among
from conversation_engine.infra.db.prepared import ChangeAndInsert, Prepared
from conversation_engine.infra.ids import new_id
from conversation_engine.kernel.ids import ConversationId, MessageId, UserId
from conversation_engine.kernel.paging import Cursor

_conversations = ConversationModel.__table__
_messages = MessageModel.__table__

_at = bindparam("at", type_=_conversations.c.updated_at.type)
_add_usage = (
    update(_conversations)
    .where(_conversations.c.id == bindparam("conversation_id"))
    .values(
        input_tokens=_conversations.c.input_tokens + bindparam("input"),
        output_tokens=_conversations.c.output_tokens + bindparam("output"),
        cost=_conversations.c.cost + bindparam("spent", type_=_conversations.c.cost.type),
        updated_at=_at,
    )
)
_parent = bindparam("parent", type_=_messages.c.id.type)
_leaf = _conversations.c.active_leaf_id
_IS_THERE = exists().where(_messages.c.id == _parent, _messages.c.conversation_id == _conversations.c.id)
_count_one = (
    _add_usage.where(_conversations.c.owner_id == bindparam("owner"))
    .values(
        last_sequence=_conversations.c.last_sequence + 1,
        message_count=_conversations.c.message_count + 1,
        last_message_at=_at,
        active_leaf_id=bindparam("leaf", type_=_leaf.type),
    )
    .returning(*_conversations.c)
)
"""Allocates the next sequence number and adds to the totals; its row lock orders concurrent writers."""
_append = _count_one.where(_conversations.c.status == ConversationStatus.ACTIVE.value)
_PLACE = {
    "conversation_id": "id",
    "owner_id": "owner_id",
    "sequence_number": "last_sequence",
    "parent_id": "last_parent_id",
}
"""What a message takes from its conversation."""
_start = bindparam("start", type_=_conversations.c.window_start.type)
_APPEND_REPLY = ChangeAndInsert(
    _count_one.values(
        last_parent_id=case((_conversations.c.is_branched & _IS_THERE, _parent), else_=_leaf),
        window_start=func.coalesce(_start, _conversations.c.window_start),
        title=func.coalesce(_conversations.c.title, bindparam("named", type_=_conversations.c.title.type)),
    ),
    _messages,
    taken=_PLACE,
)
_APPEND_NEXT = ChangeAndInsert(_append.values(last_parent_id=_leaf), _messages, taken=_PLACE)
_APPEND_UNDER = ChangeAndInsert(
    _append.values(last_parent_id=_parent, is_branched=_conversations.c.is_branched | _leaf.is_distinct_from(_parent)),
    _messages,
    taken=_PLACE,
)

_UTTERANCE = (
    _messages.c.sequence_number,
    _messages.c.role,
    _messages.c.content,
    _messages.c.content_format,
    _messages.c.counted_tokens,
)
_NEWEST = Prepared(
    select(*_UTTERANCE)
    .where(_messages.c.conversation_id == bindparam("conversation_id"))
    .where(_messages.c.sequence_number < bindparam("before"), ~_messages.c.is_fallback)
    .order_by(_messages.c.sequence_number.desc())
    .limit(bindparam("count"))
)
_AT = Prepared(
    select(*_UTTERANCE)
    .where(_messages.c.conversation_id == bindparam("conversation_id"))
    .where(is_among(_messages.c.sequence_number, "numbers"), ~_messages.c.is_fallback)
)
_ROLES = {role.value: role for role in MessageRole}
"""A look-up where `MessageRole(…)` would be called hundreds of times a turn."""


def _path_from(start: ColumnElement[bool], *columns: Column[Any], count: Any = None) -> CTE:
    """The way from the message that `start` picks up to its root.

    Where `count` is named only so much of it as holds that many messages that are no fallback replies.
    """
    own = (_messages.c.id, _messages.c.parent_id, *columns)
    one = case((_messages.c.is_fallback, 0), else_=1)
    path = select(*own, one.label("height")).where(start).cte("path", recursive=True)
    up = select(*own, path.c.height + one).join(path, _messages.c.id == path.c.parent_id)
    return path.union_all(up if count is None else up.where(path.c.height < count))


def _newest_of_path(start: ColumnElement[bool]) -> Select[Any]:
    path = _path_from(start, *_UTTERANCE, _messages.c.is_fallback, count=bindparam("count"))
    columns = [path.c[column.name] for column in _UTTERANCE]
    return select(*columns).where(~path.c.is_fallback).order_by(path.c.sequence_number.desc())


_message = bindparam("message", type_=_messages.c.id.type)
_IS_MESSAGE = _messages.c.id == _message
_child = _messages.alias("child")
_NEWEST_FROM = _newest_of_path(_IS_MESSAGE)
_NEWEST_ABOVE = _newest_of_path(
    _messages.c.id
    == select(_child.c.parent_id)
    .where(_child.c.conversation_id == bindparam("conversation_id"), _child.c.sequence_number == bindparam("before"))
    .scalar_subquery()
)
_PINNED = (
    select(*_UTTERANCE)
    .where(_messages.c.conversation_id == bindparam("conversation_id"), _messages.c.is_pinned, ~_messages.c.is_fallback)
    .order_by(_messages.c.sequence_number)
)
_path_numbers = _path_from(_IS_MESSAGE, _messages.c.sequence_number, count=bindparam("count"))
_NUMBERS_ON_PATH = select(_path_numbers.c.sequence_number).where(
    _path_numbers.c.sequence_number.in_(bindparam("numbers", expanding=True))
)
_PATH = select(_path_from(_IS_MESSAGE).c.id)
# Nested: Python's sqlite3 counts the rows of a statement that begins with DELETE, not of one that begins with WITH.
_subtree = (
    select(_messages.c.id, _messages.c.sequence_number).where(_IS_MESSAGE).cte("subtree", recursive=True, nesting=True)
)
_subtree = _subtree.union_all(
    select(_child.c.id, _child.c.sequence_number).join(_subtree, _child.c.parent_id == _subtree.c.id)
)
_NEWEST_BELOW = select(_subtree.c.id).order_by(_subtree.c.sequence_number.desc()).limit(1)
_DELETE_BELOW = delete(_messages).where(_messages.c.id.in_(select(_subtree.c.id)))
_COPY = select(*_messages.c).where(_messages.c.id.in_(_PATH)).order_by(_messages.c.sequence_number)


class ConversationRepo:
    """Rows of `conversations`."""

    def insert(self, tx: Tx, conversation_id: ConversationId, new: NewConversation, *, at: datetime) -> None:
        """Write a new, empty, active conversation."""
        tx.execute(
            insert(_conversations),
            {
                "id": conversation_id,
                "owner_id": new.owner_id,
                "type": new.type,
                "title": new.title,
                "status": ConversationStatus.ACTIVE.value,
                "system_prompt": new.system_prompt,
                "model": new.model,
                "on_busy": new.on_busy.value if new.on_busy else None,
                "persona_id": new.persona_id,
                "persona_version": new.persona_version,
                "has_loans": new.has_loans,
                "supervisor_id": new.supervisor_id,
                "sampling": new.sampling.as_json() if new.sampling else None,
                "window": new.window.as_json(),
                "metadata": dict(new.metadata or {}),
                "created_at": at,
                "updated_at": at,
            },
        )

    def find(self, tx: Tx, conversation_id: ConversationId) -> Conversation | None:
        """Whosever it is: the service checks the owner, so that it can tell 403 from 404."""
        row = tx.execute(select(*_conversations.c).where(_conversations.c.id == conversation_id)).first()
        return None if row is None else conversation_of(row)

    def find_and_hold(self, tx: Tx, conversation_id: ConversationId) -> Conversation | None:
        """The same, and nobody else can write to it or in it before `tx` ends."""
        query = select(*_conversations.c).where(_conversations.c.id == conversation_id).with_for_update(key_share=True)
        row = tx.execute(query).first()
        return None if row is None else conversation_of(row)

    def append(
        self, tx: Tx, owner_id: UserId, conversation_id: ConversationId, new: NewMessage, *, usage: Usage, at: datetime
    ) -> tuple[Conversation, Message] | None:
        """Write the next message and count it; `None` if the conversation is not the owner's and active."""
        statement = _APPEND_NEXT if new.parent_id is None else _APPEND_UNDER
        return self._append(tx, statement, usage, new, conversation_id=conversation_id, owner=owner_id, at=at)

    def append_reply(
        self, tx: Tx, owner_id: UserId, conversation_id: ConversationId, new: NewMessage, *, usage: Usage, at: datetime
    ) -> tuple[Conversation, Message] | None:
        """The same whatever the status: a reply that was begun is kept even if the conversation ended meanwhile.

        Where nothing has siblings it goes to the end, behind what was said meanwhile; else under its parent.
        """
        values = {"conversation_id": conversation_id, "owner": owner_id, "start": new.window_start, "at": at}
        return self._append(tx, _APPEND_REPLY, usage, new, named=new.conversation_title, **values)

    def add_usage(self, tx: Tx, conversation_id: ConversationId, usage: Usage, *, at: datetime) -> None:
        """Add to the totals of a conversation in which nothing was said."""
        tx.execute(_add_usage, {"conversation_id": conversation_id, "at": at, **_totals(usage)})

    def update(self, tx: Tx, conversation_id: ConversationId, **values: object) -> None:
        """Set columns of one conversation."""
        tx.execute(update(_conversations).where(_conversations.c.id == conversation_id).values(**values))

    def name_if_unnamed(self, tx: Tx, conversation_id: ConversationId, title: str) -> None:
        """Give it a title, unless it has one."""
        unnamed = (_conversations.c.id == conversation_id, _conversations.c.title.is_(None))
        tx.execute(update(_conversations).where(*unnamed).values(title=title))

    def delete(self, tx: Tx, conversation_id: ConversationId) -> None:
        """Remove it and, by cascade, everything that was said in it."""
        tx.execute(delete(_conversations).where(_conversations.c.id == conversation_id))

    def list_of(
        self, tx: Tx, owner_id: UserId, wanted: ConversationFilter, *, cursor: Cursor | None, count: int
    ) -> Sequence[Conversation]:
        """The owner's conversations, newest first (ids grow with time), from `cursor` in its direction."""
        query = select(*_conversations.c).where(_conversations.c.owner_id == owner_id)
        if wanted.type is not None:
            query = query.where(_conversations.c.type == wanted.type)
        if wanted.status is not None:
            query = query.where(_conversations.c.status == wanted.status.value)
        rows = tx.execute(_keyset(query, _conversations.c.id, cursor, count, newest_first=True))
        return [conversation_of(row) for row in rows]

    def _append(
        self, tx: Tx, statement: ChangeAndInsert, usage: Usage, new: NewMessage, **values: object
    ) -> tuple[Conversation, Message] | None:
        if statement is not _APPEND_NEXT:
            values["parent"] = None if new.parent_id == BEGINNING else new.parent_id
        row = statement.first(tx, {**values, "leaf": new.id, **_totals(usage)}, _new_row(new, values["at"]))
        if row is None:
            return None
        conversation = conversation_of(row)
        return conversation, _written(new, conversation, parent_id=row.last_parent_id)


class MessageRepo:
    """Rows of `messages`."""

    def count_newest_tokens(self, tx: Tx, conversation_id: ConversationId, *, most: int) -> tuple[int, int]:
        """How many messages there are, up to `most`, and their o200k tokens; uncounted: their characters."""
        tokens = func.coalesce(_messages.c.counted_tokens, func.length(_messages.c.content))
        newest = (
            select(tokens.label("tokens"))
            .where(_messages.c.conversation_id == conversation_id)
            .order_by(_messages.c.sequence_number.desc())
            .limit(most)
            .subquery()
        )
        row = tx.execute(select(func.count(), func.coalesce(func.sum(newest.c.tokens), 0)).select_from(newest)).one()
        return int(row[0]), int(row[1])

    def find(self, tx: Tx, conversation_id: ConversationId, message_id: MessageId) -> Message | None:
        """One message of this conversation."""
        query = select(*_messages.c).where(_messages.c.id == message_id, _messages.c.conversation_id == conversation_id)
        row = tx.execute(query).first()
        return None if row is None else _as_message(row)

    def list_newest(self, tx: Tx, conversation_id: ConversationId, *, before: int, count: int) -> list[Utterance]:
        """At most `count` messages below `before`, newest first: one index range, however long the talk."""
        return _utterances(_NEWEST.all(tx, {"conversation_id": conversation_id, "before": before, "count": count}))

    def list_newest_of_path(
        self, tx: Tx, conversation_id: ConversationId, *, leaf_id: MessageId, before: int | None, count: int
    ) -> list[Utterance]:
        """The same along the path that ends with `leaf_id`: `count` look-ups by key. `None` begins with the leaf."""
        if before is None:
            return _utterances(tx.execute(_NEWEST_FROM, {"message": leaf_id, "count": count}).all())
        values = {"conversation_id": conversation_id, "before": before, "count": count}
        return _utterances(tx.execute(_NEWEST_ABOVE, values).all())

    def list_of(
        self,
        tx: Tx,
        conversation_id: ConversationId,
        *,
        cursor: Cursor | None,
        count: int,
        newest_first: bool,
    ) -> Sequence[Message]:
        """Messages in order of their sequence numbers, from `cursor` in its direction."""
        query = select(*_messages.c).where(_messages.c.conversation_id == conversation_id)
        rows = tx.execute(_keyset(query, _messages.c.sequence_number, cursor, count, newest_first=newest_first))
        return [_as_message(row) for row in rows]

    def list_of_path(
        self, tx: Tx, leaf_id: MessageId, *, cursor: Cursor | None, count: int, newest_first: bool
    ) -> Sequence[Message]:
        """The same along the path that ends with `leaf_id`. O(its length)."""
        query = select(*_messages.c).where(_messages.c.id.in_(_PATH))
        page = _keyset(query, _messages.c.sequence_number, cursor, count, newest_first=newest_first)
        return [_as_message(row) for row in tx.execute(page, {"message": leaf_id})]

    def set_pinned(self, tx: Tx, message_id: MessageId, *, is_pinned: bool) -> None:
        """Pin a message or take its pin away."""
        tx.execute(update(_messages).where(_messages.c.id == message_id).values(is_pinned=is_pinned))

    def list_pinned(self, tx: Tx, conversation_id: ConversationId) -> list[Utterance]:
        """The pinned messages of a conversation, in order; a handful at most."""
        return _utterances(tx.execute(_PINNED, {"conversation_id": conversation_id}).all())

    def list_at(self, tx: Tx, places: Collection[tuple[ConversationId, int]]) -> list[tuple[ConversationId, Utterance]]:
        """The messages at these sequence numbers of these conversations."""
        here = {conversation_id for conversation_id, _ in places}
        if len(here) == 1:
            values = {"conversation_id": (only := here.pop()), "numbers": [number for _, number in places]}
            return [(only, utterance) for utterance in _utterances(_AT.all(tx, values))]
        at = tuple_(_messages.c.conversation_id, _messages.c.sequence_number).in_(list(places))
        rows = tx.execute(select(*_UTTERANCE, _messages.c.conversation_id).where(at, ~_messages.c.is_fallback)).all()
        said = _utterances(row[:-1] for row in rows)
        return [(row[-1], utterance) for row, utterance in zip(rows, said, strict=True)]

    def id_of(self, tx: Tx, conversation_id: ConversationId, sequence_number: int) -> MessageId | None:
        """The message of this number; `None` when it is deleted."""
        wanted = (_messages.c.conversation_id == conversation_id, _messages.c.sequence_number == sequence_number)
        found: MessageId | None = tx.scalar(select(_messages.c.id).where(*wanted))
        return found

    def numbers_on_path(self, tx: Tx, start_id: MessageId, numbers: Sequence[int], *, count: int) -> frozenset[int]:
        """Which of these sequence numbers are among the `count` messages from `start_id` up."""
        return frozenset(tx.scalars(_NUMBERS_ON_PATH, {"message": start_id, "count": count, "numbers": numbers}))

    def list_siblings(self, tx: Tx, message: Message) -> Sequence[Message]:
        """What follows the same message, `message` itself included, in order of their sequence numbers."""
        query = select(*_messages.c).where(
            _messages.c.conversation_id == message.conversation_id,
            _messages.c.parent_id == message.parent_id,  # IS NULL where that is None
        )
        return [_as_message(row) for row in tx.execute(query.order_by(_messages.c.sequence_number))]

    def newest_below(self, tx: Tx, message_id: MessageId) -> MessageId:
        """The newest descendant of a message, itself if it has none. O(descendants)."""
        newest: MessageId = tx.execute(_NEWEST_BELOW, {"message": message_id}).scalar_one()
        return newest

    def delete_below(self, tx: Tx, message_id: MessageId) -> int:
        """Remove a message and all its descendants in one statement; how many these were."""
        return tx.execute(_DELETE_BELOW, {"message": message_id}).rowcount

    def splice(self, tx: Tx, message: Message) -> None:
        """Remove one message; what follows it then follows what it followed. Two statements."""
        below = _messages.c.parent_id == message.id
        tx.execute(update(_messages).where(below).values(parent_id=message.parent_id))
        tx.execute(delete(_messages).where(_messages.c.id == message.id))

    def copy_path(self, tx: Tx, leaf_id: MessageId, into: ConversationId) -> Sequence[MessageId]:
        """Write the path that ends with `leaf_id` again, as all that was said in `into`; the new ids in order.

        No turn and no model call made the copies, so they cost nothing.
        """
        copies: list[dict[str, Any]] = []
        for number, row in enumerate(tx.execute(_COPY, {"message": leaf_id}).mappings(), start=1):
            place = {"id": new_id(), "conversation_id": into, "sequence_number": number}
            parent = {"parent_id": copies[-1]["id"] if copies else None}
            copies.append({**row, **place, **parent, "turn_id": None, "llm_request_id": None, "cost": None})
        tx.execute(insert(_messages), copies)
        return [copy["id"] for copy in copies]


def _utterances(rows: Iterable[Any]) -> list[Utterance]:
    return [
        Utterance(number, _ROLES[role], content if form == "text" else json.loads(content), tokens)
        for number, role, content, form, tokens in rows
    ]


def _keyset(query: Select[Any], column: Any, cursor: Cursor | None, count: int, *, newest_first: bool) -> Select[Any]:
    is_backward = cursor is not None and cursor.is_backward
    descends = newest_first != is_backward
    if cursor is not None:
        bound = literal(cursor.key[0], column.type)
        query = query.where(column < bound if descends else column > bound)
    return query.order_by(column.desc() if descends else column.asc()).limit(count)


def _new_row(new: NewMessage, at: object) -> dict[str, Any]:
    """All of a message's row but its place."""
    content, content_format = _stored(new.content)
    is_fallback = new.status is MessageStatus.FALLBACK
    return {
        "id": new.id,
        "turn_id": new.turn_id,
        "llm_request_id": new.llm_request_id,
        "role": new.role.value,
        "content": content,
        "content_format": content_format,
        "status": (MessageStatus.COMPLETE if is_fallback else new.status).value,
        "is_fallback": is_fallback,
        "is_pinned": False,
        "token_count": new.token_count,
        "counted_tokens": new.counted_tokens,
        "cost": new.cost,
        "metadata": dict(new.metadata),
        "created_at": at,
    }


def _written(new: NewMessage, conversation: Conversation, *, parent_id: MessageId | None) -> Message:
    """The message that was just written as the conversation's last."""
    return Message(
        id=new.id,
        conversation_id=conversation.id,
        turn_id=new.turn_id,
        parent_id=parent_id,
        llm_request_id=new.llm_request_id,
        sequence_number=conversation.last_sequence,
        role=new.role,
        content=new.content,
        status=new.status,
        token_count=new.token_count,
        cost=new.cost,
        metadata=dict(new.metadata),
        created_at=conversation.updated_at,
    )


def _totals(usage: Usage) -> dict[str, Any]:
    return {"input": usage.input_tokens, "output": usage.output_tokens, "spent": usage.cost}


def _stored(content: Content) -> tuple[str, str]:
    if isinstance(content, str):
        return content, "text"
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")), "json"


def _as_message(row: Row[Any]) -> Message:
    return Message(
        id=row.id,
        conversation_id=row.conversation_id,
        turn_id=row.turn_id,
        parent_id=row.parent_id,
        llm_request_id=row.llm_request_id,
        sequence_number=row.sequence_number,
        role=MessageRole(row.role),
        content=row.content if row.content_format == "text" else json.loads(row.content),
        status=MessageStatus.FALLBACK if row.is_fallback else MessageStatus(row.status),
        is_pinned=row.is_pinned,
        token_count=row.token_count,
        cost=row.cost,
        metadata=row.metadata,
        created_at=row.created_at,
    )
