"""`/api/chat`."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response

from conversation_engine.domains.conversations.errors import ConversationNotFoundError
from conversation_engine.domains.conversations.service import ConversationService
from conversation_engine.domains.conversations.types import BEGINNING, MOST_PER_PAGE, NewConversation
from conversation_engine.entrypoints.ai_sdk.narration import HEADERS, Narration, broken
from conversation_engine.entrypoints.ai_sdk.places import ChatPlace, place_of
from conversation_engine.entrypoints.ai_sdk.schemas import (
    ID_LIMIT_CHARACTERS,
    ChatOut,
    StoppedOut,
    UiChatIn,
    UiMessageOut,
)
from conversation_engine.infra.web.access import Caller, service_of
from conversation_engine.infra.web.event_stream import MEDIA_TYPE, EventStreamResponse
from conversation_engine.infra.web.once import OnceRoute, RequestOnce
from conversation_engine.infra.web.rate_class import SAYS_SOMETHING
from conversation_engine.kernel.errors import InvalidIdError
from conversation_engine.kernel.ids import ConversationId, MessageId, UserId, parse_id
from conversation_engine.kernel.once import Once
from conversation_engine.kernel.people import Principal
from conversation_engine.kernel.windows import NO_OPTIONS
from conversation_engine.turns.service import TurnService
from conversation_engine.turns.types import NewTurn, Turn, TurnEvent, TurnState

router = APIRouter(prefix="/api/chat", tags=["AI SDK"], route_class=OnceRoute)

CONVERSATION_TYPE = "chat"
Conversations = Annotated[ConversationService, service_of(ConversationService)]
Turns = Annotated[TurnService, service_of(TurnService)]
ChatPath = Annotated[str, Path(min_length=1, max_length=ID_LIMIT_CHARACTERS)]
_STREAM: dict[str, Any] = {
    "description": "The AI SDK's UI message stream, version 1: `start`, `start-step`, `text-start`, `text-delta` …, "
    "`text-end`, `finish-step`, `finish`; or `error`, or `abort`; at last `[DONE]`.",
    "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
}


@router.post("", responses={200: _STREAM}, response_model=None, openapi_extra=SAYS_SOMETHING)
async def send_message(
    body: UiChatIn, caller: Caller, conversations: Conversations, turns: Turns, *, once: RequestOnce
) -> Response:
    """Answer the newest message of a chat, or say a reply anew: what `useChat` calls.

    The message is stored before the model is called, and the turn goes on whether or not the page stays: it resumes
    with `GET /api/chat/{id}/stream`.
    """
    place = await place_of(body.id, owner_id=caller.user_id, conversations=conversations)
    if body.trigger == "regenerate-message" and (reply_id := _reply_to_redo(body, place)) is not None:
        return _stream(turns, await turns.regenerate(reply_id, _new_turn(body, place, caller, once)))
    return _stream(turns, await turns.submit(_said(body, place, caller, once)))


@router.get("/{chat}/stream", responses={200: _STREAM, 204: {"description": "Nothing is being said."}})
async def resume_stream(chat: ChatPath, caller: Caller, conversations: Conversations, turns: Turns) -> Response:
    """The reply that is being said in a chat, from its beginning; 204 when there is none."""
    place = await place_of(chat, owner_id=caller.user_id, conversations=conversations)
    live = await _live(turns, place, caller.user_id)
    return Response(status_code=204) if not live else _stream(turns, live[0])


@router.post("/{chat}/stop")
async def stop_reply(chat: ChatPath, caller: Caller, conversations: Conversations, turns: Turns) -> StoppedOut:
    """Stop what is being said in a chat, and keep its beginning; what waits in line leaves it.

    `useChat`'s own `stop` only stops listening.
    """
    place = await place_of(chat, owner_id=caller.user_id, conversations=conversations)
    live = await _live(turns, place, caller.user_id)
    for turn in reversed(live):  # those in line first: none of them is to begin meanwhile
        await turns.cancel(turn.conversation_id, turn.id, owner_id=caller.user_id)
    return StoppedOut(stopped=len(live))


@router.get("/{chat}")
async def get_chat(
    chat: ChatPath,
    caller: Caller,
    conversations: Conversations,
    *,
    limit: Annotated[int, Query(ge=1, le=MOST_PER_PAGE)] = 100,
) -> ChatOut:
    """A chat with its newest messages, as `useChat` takes them to begin with."""
    place = await place_of(chat, owner_id=caller.user_id, conversations=conversations)
    if place.conversation is None:
        raise ConversationNotFoundError(ConversationId(chat))
    page = await conversations.path(place.conversation_id, owner_id=caller.user_id, limit=limit, newest_first=True)
    return ChatOut(
        id=chat,
        conversation_id=place.conversation_id,
        title=place.conversation.title,
        created_at=place.conversation.created_at,
        messages=[UiMessageOut.of(message) for message in reversed(page.items)],
    )


def _reply_to_redo(body: UiChatIn, place: ChatPlace) -> MessageId | None:
    """The reply that is named, or the newest; `None`: there is none of ours, the question is asked again."""
    if place.conversation is None:
        return None
    if body.message_id is None:
        return place.conversation.active_leaf_id
    try:
        return MessageId(parse_id(body.message_id))
    except InvalidIdError:
        return None


def _said(body: UiChatIn, place: ChatPlace, caller: Principal, once: Once | None) -> NewTurn:
    question = body.question()
    is_replacing = body.message_id is not None and place.conversation is not None
    parent_id = MessageId(body.said_before() or BEGINNING) if is_replacing else None
    return _new_turn(body, place, caller, once, content=question.text(), parent_id=parent_id)


def _new_turn(
    body: UiChatIn,
    place: ChatPlace,
    caller: Principal,
    once: Once | None,
    *,
    content: str | None = None,
    parent_id: MessageId | None = None,
) -> NewTurn:
    starts = NewConversation(
        owner_id=caller.user_id, type=CONVERSATION_TYPE, system_prompt=body.system_prompt, model=body.model
    )
    return NewTurn(
        conversation_id=place.conversation_id,
        owner_id=caller.user_id,
        role=caller.role,
        content=content,
        starts=starts if place.conversation is None else None,
        parent_id=parent_id,
        model=body.model,
        sampling=body.sampling(),
        window=body.window.options() if body.window else NO_OPTIONS,
        on_busy=body.on_busy,
        once=once,
    )


async def _live(turns: TurnService, place: ChatPlace, owner_id: UserId) -> list[Turn]:
    """What runs and what waits in line, oldest first."""
    if place.conversation is None:
        return []
    found: list[Turn] = []
    for state in (TurnState.QUEUED, TurnState.RUNNING):
        found += (await turns.list_of(place.conversation_id, owner_id=owner_id, state=state)).items
    return found[::-1]


def _stream(turns: TurnService, turn: Turn) -> Response:
    return EventStreamResponse(_frames(turns.follow(turn), Narration()), headers=HEADERS, told=broken)


async def _frames(events: AsyncGenerator[TurnEvent, None], narration: Narration) -> AsyncGenerator[bytes, None]:
    async with aclosing(events):
        async for event in events:
            yield narration.frames(event)
