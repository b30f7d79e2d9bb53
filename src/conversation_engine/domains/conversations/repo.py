"""Every query about conversations and messages."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, bindparam, delete, insert, literal, select, update

from conversation_engine.domains.conversations.models import ConversationModel, MessageModel
from conversation_engine.domains.conversations.types import (
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
from conversation_engine.kernel.ids import ConversationId, MessageId, UserId
from conversation_engine.kernel.paging import Cursor

_conversations = ConversationModel.__table__
_messages = MessageModel.__table__

_at = bindparam("at", type_=_conversations.c.updated_at.type)
_ADD_USAGE = (
    update(_conversations)
    .where(_conversations.c.id == bindparam("conversation_id"))
    .values(
        input_tokens=_conversations.c.input_tokens + bindparam("input"),
        output_tokens=_conversations.c.output_tokens + bindparam("output"),
        cost=_conversations.c.cost + bindparam("spent", type_=_conversations.c.cost.type),
        updated_at=_at,
    )
)
_APPEND_REPLY = (
    _ADD_USAGE.where(_conversations.c.owner_id == bindparam("owner"))
    .values(
        last_sequence=_conversations.c.last_sequence + 1,
        message_count=_conversations.c.message_count + 1,
        last_message_at=_at,
    )
    .returning(*_conversations.c)
)
"""Allocates the next sequence number and adds to the totals; its row lock orders concurrent writers."""
_APPEND = _APPEND_REPLY.where(_conversations.c.status == ConversationStatus.ACTIVE.value)

_INSERT_MESSAGE = insert(_messages)

_NEWEST = (
    select(
        _messages.c.sequence_number,
        _messages.c.role,
        _messages.c.content,
        _messages.c.content_format,
        _messages.c.token_count,
    )
    .where(_messages.c.conversation_id == bindparam("conversation_id"))
    .where(_messages.c.sequence_number < bindparam("before"))
    .order_by(_messages.c.sequence_number.desc())
    .limit(bindparam("count"))
)
_ROLES = {role.value: role for role in MessageRole}
"""A look-up where `MessageRole(…)` would be called hundreds of times a turn."""


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
                "metadata": dict(new.metadata or {}),
                "created_at": at,
                "updated_at": at,
            },
        )

    def find(self, tx: Tx, conversation_id: ConversationId) -> Conversation | None:
        """Whosever it is: the service checks the owner, so that it can tell 403 from 404."""
        row = tx.execute(select(*_conversations.c).where(_conversations.c.id == conversation_id)).first()
        return None if row is None else _conversation(row)

    def find_to_append(
        self, tx: Tx, conversation_id: ConversationId, owner_id: UserId, *, usage: Usage, at: datetime
    ) -> Conversation | None:
        """Count one more message; the conversation after it, or `None` if it is not the owner's and active."""
        return self._count(tx, _APPEND, usage, conversation_id=conversation_id, owner=owner_id, at=at)

    def find_to_append_reply(
        self, tx: Tx, conversation_id: ConversationId, owner_id: UserId, *, usage: Usage, at: datetime
    ) -> Conversation | None:
        """The same whatever the status: a reply that was begun is kept even if the conversation ended meanwhile."""
        return self._count(tx, _APPEND_REPLY, usage, conversation_id=conversation_id, owner=owner_id, at=at)

    def add_usage(self, tx: Tx, conversation_id: ConversationId, usage: Usage, *, at: datetime) -> None:
        """Add to the totals of a conversation in which nothing was said."""
        tx.execute(_ADD_USAGE, {"conversation_id": conversation_id, "at": at, **_totals(usage)})

    def update(self, tx: Tx, conversation_id: ConversationId, **values: object) -> None:
        """Set columns of one conversation."""
        tx.execute(update(_conversations).where(_conversations.c.id == conversation_id).values(**values))

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
        return [_conversation(row) for row in rows]

    def _count(self, tx: Tx, statement: Any, usage: Usage, **values: object) -> Conversation | None:
        row = tx.execute(statement, {**values, **_totals(usage)}).first()
        return None if row is None else _conversation(row)


class MessageRepo:
    """Rows of `messages`."""

    def insert(self, tx: Tx, conversation: Conversation, new: NewMessage, *, at: datetime) -> Message:
        """Write a message at the sequence number that `find_to_append` just gave to `conversation`."""
        content, content_format = _stored(new.content)
        values: dict[str, Any] = {
            "id": new.id,
            "conversation_id": conversation.id,
            "owner_id": conversation.owner_id,
            "turn_id": new.turn_id,
            "parent_id": new.parent_id,
            "llm_request_id": new.llm_request_id,
            "sequence_number": conversation.last_sequence,
            "role": new.role.value,
            "content": content,
            "content_format": content_format,
            "status": new.status.value,
            "token_count": new.token_count,
            "cost": new.cost,
            "metadata": dict(new.metadata),
            "created_at": at,
        }
        tx.execute(_INSERT_MESSAGE, values)
        return Message(
            id=new.id,
            conversation_id=conversation.id,
            turn_id=new.turn_id,
            parent_id=new.parent_id,
            llm_request_id=new.llm_request_id,
            sequence_number=conversation.last_sequence,
            role=new.role,
            content=new.content,
            status=new.status,
            token_count=new.token_count,
            cost=new.cost,
            metadata=values["metadata"],
            created_at=at,
        )

    def find(self, tx: Tx, conversation_id: ConversationId, message_id: MessageId) -> Message | None:
        """One message of this conversation."""
        query = select(*_messages.c).where(_messages.c.id == message_id, _messages.c.conversation_id == conversation_id)
        row = tx.execute(query).first()
        return None if row is None else _message(row)

    def list_newest(self, tx: Tx, conversation_id: ConversationId, *, before: int, count: int) -> list[Utterance]:
        """At most `count` messages below `before`, newest first: one index range, however long the talk."""
        rows = tx.execute(_NEWEST, {"conversation_id": conversation_id, "before": before, "count": count})
        return [
            Utterance(number, _ROLES[role], content if form == "text" else json.loads(content), tokens)
            for number, role, content, form, tokens in rows.all()
        ]

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
        return [_message(row) for row in rows]


def _keyset(query: Select[Any], column: Any, cursor: Cursor | None, count: int, *, newest_first: bool) -> Select[Any]:
    is_backward = cursor is not None and cursor.is_backward
    descends = newest_first != is_backward
    if cursor is not None:
        bound = literal(cursor.key[0], column.type)
        query = query.where(column < bound if descends else column > bound)
    return query.order_by(column.desc() if descends else column.asc()).limit(count)


def _totals(usage: Usage) -> dict[str, Any]:
    return {"input": usage.input_tokens, "output": usage.output_tokens, "spent": usage.cost}


def _stored(content: Content) -> tuple[str, str]:
    if isinstance(content, str):
        return content, "text"
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")), "json"


def _conversation(row: Row[Any]) -> Conversation:
    return Conversation(
        id=row.id,
        owner_id=row.owner_id,
        type=row.type,
        title=row.title,
        status=ConversationStatus(row.status),
        system_prompt=row.system_prompt,
        model=row.model,
        metadata=row.metadata,
        message_count=row.message_count,
        last_sequence=row.last_sequence,
        input_tokens=row.input_tokens,
        output_tokens=row.output_tokens,
        cost=row.cost,
        created_at=row.created_at,
        updated_at=row.updated_at,
        last_message_at=row.last_message_at,
        ended_at=row.ended_at,
    )


def _message(row: Row[Any]) -> Message:
    return Message(
        id=row.id,
        conversation_id=row.conversation_id,
        turn_id=row.turn_id,
        parent_id=row.parent_id,
        llm_request_id=row.llm_request_id,
        sequence_number=row.sequence_number,
        role=MessageRole(row.role),
        content=row.content if row.content_format == "text" else json.loads(row.content),
        status=MessageStatus(row.status),
        token_count=row.token_count,
        cost=row.cost,
        metadata=row.metadata,
        created_at=row.created_at,
    )
