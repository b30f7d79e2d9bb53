"""`/api/chat`."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Annotated, Any

from fastapi import Path, Query, Response

from conversation_engine.domains.conversations.errors import ConversationNotFoundError
from conversation_engine.domains.conversations.service import ConversationService
from conversation_engine.domains.conversations.types import MOST_PER_PAGE, NewConversation
from conversation_engine.entrypoints.ai_sdk.messages import UiMessageOut, is_results, together
from conversation_engine.entrypoints.ai_sdk.narration import HEADERS, Narration, broken
from conversation_engine.entrypoints.ai_sdk.places import ChatPlace, newest, place_of
from conversation_engine.entrypoints.ai_sdk.saying import blaming, saying
from conversation_engine.entrypoints.ai_sdk.schemas import (
    ID_LIMIT_CHARACTERS,
    ChatOut,
    StoppedOut,
    UiChatIn,
)
from conversation_engine.infra.web.access import Caller, service_of
from conversation_engine.infra.web.event_stream import MEDIA_TYPE, EventStreamResponse
from conversation_engine.infra.web.once import OnceRoute, RequestOnce
from conversation_engine.infra.web.rate_class import SAYS_SOMETHING
from conversation_engine.infra.web.room import Room
from conversation_engine.kernel.errors import InvalidIdError
from conversation_engine.kernel.ids import ConversationId, MessageId, UserId, parse_id
from conversation_engine.kernel.once import Once
from conversation_engine.kernel.people import Principal
from conversation_engine.kernel.windows import NO_OPTIONS
from conversation_engine.turns.rag.service import RagService
from conversation_engine.turns.service import TurnService
from conversation_engine.turns.types import NewTurn, Turn, TurnEnded, TurnEvent, TurnState

router = Room("/api/chat", tags=["AI SDK"], route_class=OnceRoute)

CONVERSATION_TYPE = "chat"
Conversations = Annotated[ConversationService, service_of(ConversationService)]
Rag = Annotated[RagService, service_of(RagService)]
Turns = Annotated[TurnService, service_of(TurnService)]
ChatPath = Annotated[str, Path(min_length=1, max_length=ID_LIMIT_CHARACTERS)]
_STREAM: dict[str, Any] = {
    "description": "The AI SDK's UI message stream, version 1: `start`, `start-step`, `text-start`, `text-delta` …, "
    "`text-end`, `tool-input-start`, `tool-input-delta` …, `tool-input-available`, `source-document`, `finish-step`, "
    "`finish`; or `error`, or `abort`; at last `[DONE]`.",
    "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
}


@router.post("", responses={200: _STREAM}, response_model=None, openapi_extra=SAYS_SOMETHING)
async def send_message(
    body: UiChatIn, caller: Caller, conversations: Conversations, rag: Rag, *, turns: Turns, once: RequestOnce
) -> Response:
    """Answer the newest message of a chat, or say a reply anew: what `useChat` calls.

    The message is stored before the model is called, and the turn goes on whether or not the page stays: it resumes
    with `GET /api/chat/{id}/stream`. Outputs of the page's tools are said like a message: the reply that called them
    goes on.
    """
    place = await place_of(body.id, owner_id=caller.user_id, conversations=conversations)
    new = _new_turn(body, place, caller, once)
    if body.trigger == "regenerate-message" and (reply_id := await _reply_to_redo(body, place, conversations)):
        return _stream(turns, rag, await turns.regenerate(reply_id, new), Narration())
    said = await saying(body, place, conversations)
    with blaming(body.last.parts):
        turn = await turns.submit(
            replace(
                new,
                content=said.content,
                parent_id=said.parent_id,
                preceding=said.preceding,
                message_metadata=said.metadata,
            )
        )
    return _stream(turns, rag, turn, Narration(message_id=said.reply_id))


@router.get("/{chat}/stream", responses={200: _STREAM, 204: {"description": "Nothing is being said."}})
async def resume_stream(
    chat: ChatPath, caller: Caller, conversations: Conversations, rag: Rag, *, turns: Turns
) -> Response:
    """The reply that is being said in a chat, from its beginning; 204 when there is none."""
    place = await place_of(chat, owner_id=caller.user_id, conversations=conversations)
    live = await _live(turns, place, caller.user_id)
    if not live:
        return Response(status_code=204)
    before = await _before(live[0], caller.user_id, conversations)
    return _stream(turns, rag, live[0], Narration(before=before))


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
    rag: Rag,
    *,
    limit: Annotated[int, Query(ge=1, le=MOST_PER_PAGE)] = 100,
) -> ChatOut:
    """A chat with its newest messages, as `useChat` takes them to begin with."""
    place = await place_of(chat, owner_id=caller.user_id, conversations=conversations)
    if place.conversation is None:
        raise ConversationNotFoundError(ConversationId(chat))
    path = await newest(place.conversation_id, owner_id=caller.user_id, conversations=conversations, limit=limit)
    sources = await rag.sources_of(path, reader_id=caller.user_id)
    return ChatOut(
        id=chat,
        conversation_id=place.conversation_id,
        title=place.conversation.title,
        created_at=place.conversation.created_at,
        messages=[UiMessageOut.of(run, sources) for run in together(path)],
    )


async def _reply_to_redo(body: UiChatIn, place: ChatPlace, conversations: ConversationService) -> MessageId | None:
    """The reply that is named, or the newest; `None`: there is none of ours, the question is asked again."""
    if place.conversation is None:
        return None
    if body.message_id is None:
        path = await newest(place.conversation_id, owner_id=place.conversation.owner_id, conversations=conversations)
        runs = together(path)
        return runs[-1][0].id if runs else None
    try:
        return MessageId(parse_id(body.message_id))
    except InvalidIdError:
        return None


async def _before(turn: Turn, owner_id: UserId, conversations: ConversationService) -> UiMessageOut | None:
    """The steps before the one that a turn says, where it goes on with a reply; else `None`."""
    answered_id = turn.user_message_id
    if answered_id is None:
        return None
    answered = await conversations.get_message(turn.conversation_id, answered_id, owner_id=owner_id)
    if not is_results(answered):
        return None
    path = await newest(turn.conversation_id, owner_id=owner_id, conversations=conversations)
    up_to = [message for message in path if message.sequence_number <= answered.sequence_number]
    runs = together(up_to)
    is_found = bool(runs) and runs[-1][-1].id == answered_id
    return UiMessageOut.of(runs[-1]) if is_found else None


def _new_turn(body: UiChatIn, place: ChatPlace, caller: Principal, once: Once | None) -> NewTurn:
    starts = NewConversation(
        owner_id=caller.user_id, type=CONVERSATION_TYPE, system_prompt=body.system_prompt, model=body.model
    )
    return NewTurn(
        conversation_id=place.conversation_id,
        owner_id=caller.user_id,
        role=caller.role,
        content=None,
        starts=starts if place.conversation is None else None,
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


def _stream(turns: TurnService, rag: RagService, turn: Turn, narration: Narration) -> Response:
    return EventStreamResponse(_frames(turns.follow(turn), rag, narration), headers=HEADERS, told=broken)


async def _frames(
    events: AsyncGenerator[TurnEvent, None], rag: RagService, narration: Narration
) -> AsyncGenerator[bytes, None]:
    async with aclosing(events):
        async for event in events:
            if isinstance(event, TurnEnded):
                yield narration.last_frame(event.detail, await rag.sources(event.detail))
            else:
                yield narration.frames(event)
