"""`/conversations` over HTTP."""

from typing import Annotated

from fastapi import Body, Query

from conversation_engine.domains.conversations.schemas import (
    ConversationChange,
    ConversationIn,
    ConversationOut,
    ConversationPage,
    ConversationWithMessages,
    MessageIn,
    MessageList,
    MessageOut,
    MessagePage,
    TitleIn,
    with_messages,
)
from conversation_engine.domains.conversations.service import ConversationService
from conversation_engine.domains.conversations.types import (
    MOST_PER_PAGE,
    ConversationFilter,
    ConversationStatus,
    NewConversation,
    NewMessage,
)
from conversation_engine.infra.ids import new_id
from conversation_engine.infra.web.access import Caller, service_of
from conversation_engine.infra.web.once import OnceRoute, RequestOnce
from conversation_engine.infra.web.paths import ConversationPath, MessagePath
from conversation_engine.infra.web.rate_class import SAYS_SOMETHING
from conversation_engine.infra.web.room import Room
from conversation_engine.kernel.errors import InvalidInputError
from conversation_engine.kernel.ids import MessageId
from conversation_engine.kernel.windows import NO_OPTIONS

router = Room("/conversations", tags=["conversations"], route_class=OnceRoute)


Conversations = Annotated[ConversationService, service_of(ConversationService)]
Limit = Annotated[int, Query(ge=1, le=MOST_PER_PAGE)]
CursorQuery = Annotated[str | None, Query(max_length=300, description="`next` or `previous` of an earlier page.")]


@router.post("", status_code=201)
async def create_conversation(
    body: ConversationIn, caller: Caller, conversations: Conversations, once: RequestOnce
) -> ConversationOut:
    """Start an empty conversation."""
    created = await conversations.create(
        NewConversation(
            owner_id=caller.user_id,
            type=body.conversation_type,
            title=body.title,
            system_prompt=body.system_prompt,
            model=body.model,
            on_busy=body.on_busy,
            window=body.window.options() if body.window else NO_OPTIONS,
            metadata=body.metadata,
        ),
        once=once,
    )
    return ConversationOut.of(created)


@router.get("")
async def list_conversations(
    caller: Caller,
    conversations: Conversations,
    *,
    conversation_type: str | None = None,
    status: ConversationStatus | None = None,
    cursor: CursorQuery = None,
    limit: Limit = 50,
) -> ConversationPage:
    """Your conversations, newest first."""
    wanted = ConversationFilter(type=conversation_type, status=status)
    page = await conversations.list_of(caller.user_id, wanted, cursor=cursor, limit=limit)
    return ConversationPage(
        items=[ConversationOut.of(item) for item in page.items], next=page.next, previous=page.previous
    )


@router.get("/{conversation_id}")
async def get_conversation(
    conversation_id: ConversationPath, caller: Caller, conversations: Conversations, limit: Limit = 100
) -> ConversationWithMessages:
    """One conversation with its newest messages."""
    conversation = await conversations.get(conversation_id, owner_id=caller.user_id)
    page = await conversations.list_messages(conversation_id, owner_id=caller.user_id, limit=limit, newest_first=True)
    return with_messages(conversation, list(reversed(page.items)), page.next)


@router.patch("/{conversation_id}")
async def change_conversation(
    conversation_id: ConversationPath,
    body: ConversationChange,
    *,
    caller: Caller,
    conversations: Conversations,
    once: RequestOnce,
) -> ConversationOut:
    """Change its title, status, window or metadata: everything named, or nothing if a part is not valid."""
    changed = await conversations.change(
        conversation_id,
        owner_id=caller.user_id,
        title=body.title,
        status=body.status,
        metadata=body.metadata,
        on_busy=body.on_busy,
        window=body.window.options() if body.window else None,
        once=once,
    )
    return ConversationOut.of(changed)


@router.put("/{conversation_id}/title")
async def rename_conversation(
    conversation_id: ConversationPath,
    caller: Caller,
    conversations: Conversations,
    once: RequestOnce,
    *,
    title: Annotated[str | None, Query(description="The title; or send it as JSON.")] = None,
    body: Annotated[TitleIn | None, Body()] = None,
) -> ConversationOut:
    """Give it a title, as a query parameter or as JSON."""
    wanted = body.title if body is not None else title
    if wanted is None:
        raise InvalidInputError("Send the title: `?title=…`, or a JSON body with `title`.", field="title")
    return ConversationOut.of(await conversations.rename(conversation_id, wanted, owner_id=caller.user_id, once=once))


@router.post("/{conversation_id}/end")
async def end_conversation(
    conversation_id: ConversationPath, caller: Caller, conversations: Conversations, once: RequestOnce
) -> ConversationOut:
    """Complete it: it keeps its history and takes no more messages. Idempotent."""
    return ConversationOut.of(await conversations.end(conversation_id, owner_id=caller.user_id, once=once))


@router.delete("/{conversation_id}", status_code=204)
async def delete_conversation(
    conversation_id: ConversationPath, caller: Caller, conversations: Conversations, once: RequestOnce
) -> None:
    """Remove it with everything said in it."""
    await conversations.delete(conversation_id, owner_id=caller.user_id, once=once)


@router.post("/{conversation_id}/messages", status_code=201, openapi_extra=SAYS_SOMETHING)
async def add_message(
    conversation_id: ConversationPath,
    body: MessageIn,
    *,
    caller: Caller,
    conversations: Conversations,
    once: RequestOnce,
) -> MessageOut:
    """Add a message without asking a model. To be answered, see `POST …/turns`."""
    message = NewMessage(
        id=MessageId(new_id()), role=body.role, content=body.content, metadata=body.message_metadata or {}
    )
    added = await conversations.add_message(conversation_id, message, owner_id=caller.user_id, once=once)
    return MessageOut.of(added)


@router.get("/{conversation_id}/messages")
async def list_messages(
    conversation_id: ConversationPath,
    caller: Caller,
    conversations: Conversations,
    *,
    cursor: CursorQuery = None,
    limit: Limit = 50,
    newest_first: bool = False,
) -> MessagePage:
    """Its messages by sequence number, those of every branch."""
    page = await conversations.list_messages(
        conversation_id, owner_id=caller.user_id, cursor=cursor, limit=limit, newest_first=newest_first
    )
    return MessagePage(items=[MessageOut.of(item) for item in page.items], next=page.next, previous=page.previous)


@router.get("/{conversation_id}/path")
async def list_path(
    conversation_id: ConversationPath,
    caller: Caller,
    conversations: Conversations,
    *,
    cursor: CursorQuery = None,
    limit: Limit = 50,
    newest_first: bool = False,
) -> MessagePage:
    """The active path: the branch that people see and that the model is shown."""
    page = await conversations.path(
        conversation_id, owner_id=caller.user_id, cursor=cursor, limit=limit, newest_first=newest_first
    )
    return MessagePage(items=[MessageOut.of(item) for item in page.items], next=page.next, previous=page.previous)


@router.get("/{conversation_id}/messages/{message_id}/siblings")
async def list_siblings(
    conversation_id: ConversationPath, message_id: MessagePath, caller: Caller, conversations: Conversations
) -> MessageList:
    """The versions of a message, itself included, oldest first."""
    siblings = await conversations.siblings(conversation_id, message_id, owner_id=caller.user_id)
    return MessageList(items=[MessageOut.of(item) for item in siblings])


@router.post("/{conversation_id}/messages/{message_id}/choose")
async def choose_message(
    conversation_id: ConversationPath,
    message_id: MessagePath,
    *,
    caller: Caller,
    conversations: Conversations,
    once: RequestOnce,
) -> ConversationOut:
    """Go on from the branch of this message: its newest end becomes the active leaf. Idempotent."""
    chosen = await conversations.choose(conversation_id, message_id, owner_id=caller.user_id, once=once)
    return ConversationOut.of(chosen)


@router.post("/{conversation_id}/messages/{message_id}/fork", status_code=201)
async def fork_conversation(
    conversation_id: ConversationPath,
    message_id: MessagePath,
    *,
    caller: Caller,
    conversations: Conversations,
    once: RequestOnce,
) -> ConversationOut:
    """Start a new conversation with copies of everything that leads to this message, and of the message."""
    forked = await conversations.fork(conversation_id, message_id, owner_id=caller.user_id, once=once)
    return ConversationOut.of(forked)
