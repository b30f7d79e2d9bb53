"""`/v1/conversations`."""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from conversation_engine.domains.conversations.errors import MessageNotFoundError
from conversation_engine.domains.conversations.items.service import ItemService
from conversation_engine.domains.conversations.service import ConversationService
from conversation_engine.domains.conversations.types import Conversation, ConversationFilter, NewConversation
from conversation_engine.entrypoints.openai.errors import UnsupportedFieldError
from conversation_engine.entrypoints.openai.fields import TAGS
from conversation_engine.entrypoints.openai.ids import CONVERSATION, conversation_id_of, message_id_of, place_of, shown
from conversation_engine.entrypoints.openai.item_shapes import Item
from conversation_engine.entrypoints.openai.items import all_said, items_of
from conversation_engine.entrypoints.openai.lists import Items, Order, page_of
from conversation_engine.entrypoints.openai.response_schemas import Metadata
from conversation_engine.infra.web.access import Caller, service_of
from conversation_engine.infra.web.once import OnceRoute, RequestOnce
from conversation_engine.infra.web.room import Room
from conversation_engine.kernel.paging import Cursor

router = Room("/v1/conversations", tags=TAGS, route_class=OnceRoute)
MOST_ITEMS: Final = 20
"""Of one request: what the dialect allows."""
Conversations = Annotated[ConversationService, service_of(ConversationService)]
Things = Annotated[ItemService, service_of(ItemService)]
ItemsField = Annotated[list[dict[str, Any]], Field(max_length=MOST_ITEMS)]
Include = Annotated[list[str] | None, Query(max_length=20, description="Nothing can be included: refused.")]
After = Annotated[str | None, Query(max_length=100, description="The id of the last one of the page before.")]
Limit = Annotated[int, Query(ge=1, le=100)]


class Body(BaseModel):
    """A body with a field that we do not know is refused."""

    model_config = ConfigDict(extra="forbid")


class NewConversationIn(Body):
    """A conversation to start, and what was said in it already."""

    items: ItemsField | None = None
    metadata: Metadata | None = None


class ConversationChangeIn(Body):
    """What a conversation is to be known by."""

    metadata: Metadata


class ItemsIn(Body):
    """What is to be put at the end."""

    items: Annotated[ItemsField, Field(min_length=1)]


class ConversationObject(BaseModel):
    """A conversation."""

    id: str
    object: Literal["conversation"] = "conversation"
    created_at: int
    metadata: dict[str, str]

    @staticmethod
    def of(conversation: Conversation) -> "ConversationObject":
        """The wire shape of a conversation."""
        return ConversationObject(
            id=shown(CONVERSATION, conversation.id),
            created_at=int(conversation.created_at.timestamp()),
            metadata=_as_texts(conversation.metadata),
        )


class ConversationDeleted(BaseModel):
    """A conversation that is gone, with everything that was said in it."""

    id: str
    object: Literal["conversation.deleted"] = "conversation.deleted"
    deleted: Literal[True] = True


class ConversationObjects(BaseModel):
    """Conversations, newest first."""

    object: Literal["list"] = "list"
    data: Sequence[ConversationObject]
    first_id: str | None
    last_id: str | None
    has_more: bool


@router.post("")
async def create_conversation_v1(
    caller: Caller, things: Things, once: RequestOnce, body: NewConversationIn | None = None
) -> ConversationObject:
    """Start a conversation, with up to twenty items in it: all of that or nothing."""
    wanted = body or NewConversationIn()
    new = NewConversation(owner_id=caller.user_id, metadata=wanted.metadata)
    return ConversationObject.of(await things.create(new, all_said(wanted.items, place="items"), once=once))


@router.get("")
async def list_conversations_v1(
    caller: Caller, conversations: Conversations, *, after: After = None, limit: Limit = 20
) -> ConversationObjects:
    """Your conversations, newest first: an extension, for the dialect has no such verb."""
    cursor = None if after is None else Cursor(key=(conversation_id_of(after),)).encode()
    page = await conversations.list_of(caller.user_id, ConversationFilter(), cursor=cursor, limit=limit)
    data = [ConversationObject.of(one) for one in page.items]
    first, last = (data[0].id, data[-1].id) if data else (None, None)
    return ConversationObjects(data=data, first_id=first, last_id=last, has_more=page.next is not None)


@router.get("/{conversation_id}")
async def get_conversation_v1(conversation_id: str, caller: Caller, conversations: Conversations) -> ConversationObject:
    """A conversation without its items."""
    found = await conversations.get(conversation_id_of(conversation_id), owner_id=caller.user_id)
    return ConversationObject.of(found)


@router.post("/{conversation_id}")
async def update_conversation_v1(
    conversation_id: str, body: ConversationChangeIn, caller: Caller, conversations: Conversations
) -> ConversationObject:
    """Replace its metadata."""
    key = conversation_id_of(conversation_id)
    return ConversationObject.of(await conversations.set_metadata(key, body.metadata, owner_id=caller.user_id))


@router.delete("/{conversation_id}")
async def delete_conversation_v1(
    conversation_id: str, caller: Caller, conversations: Conversations
) -> ConversationDeleted:
    """Remove it with everything that was said in it."""
    key = conversation_id_of(conversation_id)
    await conversations.delete(key, owner_id=caller.user_id)
    return ConversationDeleted(id=shown(CONVERSATION, key))


@router.post("/{conversation_id}/items")
async def create_items(
    conversation_id: str,
    body: ItemsIn,
    *,
    caller: Caller,
    things: Things,
    once: RequestOnce,
    include: Include = None,
) -> Items:
    """Put items at the end, all or none."""
    _refuse(include)
    said = all_said(body.items, place="items")
    key = conversation_id_of(conversation_id)
    added = await things.add(key, said, owner_id=caller.user_id, once=once)
    return Items.of([item for message in added for item in items_of(message)], has_more=False)


@router.get("/{conversation_id}/items")
async def list_items(
    conversation_id: str,
    *,
    caller: Caller,
    things: Things,
    after: After = None,
    limit: Limit = 20,
    order: Order = "desc",
    include: Include = None,
) -> Items:
    """What was said, along the active path."""
    _refuse(include)
    found, has_more = await things.page(
        conversation_id_of(conversation_id),
        owner_id=caller.user_id,
        after=None if after is None else message_id_of(after),
        limit=limit,
        newest_first=order == "desc",
        is_after_shown=True,
    )
    items = [item for message in found for item in items_of(message)[:: -1 if order == "desc" else 1]]
    return page_of(items, after=after, limit=limit, has_more=has_more)


@router.get("/{conversation_id}/items/{item_id}")
async def get_item(
    conversation_id: str,
    item_id: str,
    *,
    caller: Caller,
    conversations: Conversations,
    include: Include = None,
) -> Item:
    """One item."""
    _refuse(include)
    key, message_id = conversation_id_of(conversation_id), message_id_of(item_id)
    items = items_of(await conversations.get_message(key, message_id, owner_id=caller.user_id))
    if (place := place_of(item_id)) >= len(items):
        raise MessageNotFoundError(message_id)
    return Items.of(items, has_more=False).data[place]


@router.delete("/{conversation_id}/items/{item_id}")
async def delete_item(conversation_id: str, item_id: str, *, caller: Caller, things: Things) -> ConversationObject:
    """Take one item out, and with a call all that its reply says; what follows it stays."""
    key, message_id = conversation_id_of(conversation_id), message_id_of(item_id)
    return ConversationObject.of(await things.take_out(key, message_id, owner_id=caller.user_id))


def _refuse(include: list[str] | None) -> None:
    if include:
        raise UnsupportedFieldError("include")


def _as_texts(metadata: Mapping[str, Any]) -> dict[str, str]:
    """The dialect's metadata are texts; ours may be any JSON."""
    return {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in metadata.items()
    }
