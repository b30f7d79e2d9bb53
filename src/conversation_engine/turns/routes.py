"""`/conversations/{id}/turns` over HTTP."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Query, Request, Response

from conversation_engine.domains.conversations.types import NewConversation
from conversation_engine.infra.ids import new_id
from conversation_engine.infra.web.access import Caller, service_of
from conversation_engine.infra.web.event_stream import MEDIA_TYPE, EventStreamResponse, LastFrame, wants_event_stream
from conversation_engine.infra.web.once import OnceRoute, RequestOnce
from conversation_engine.infra.web.paths import ConversationPath, MessagePath, TurnPath
from conversation_engine.infra.web.rate_class import SAYS_SOMETHING
from conversation_engine.infra.web.room import Room
from conversation_engine.kernel.ids import ConversationId, parse_id
from conversation_engine.kernel.once import Once
from conversation_engine.kernel.windows import NO_OPTIONS, WindowOptions, WindowStrategy
from conversation_engine.turns.questions import QuestionService
from conversation_engine.turns.schemas import (
    AnswerIn,
    QueryIn,
    QueryOut,
    RemovedOut,
    TopicsOut,
    TurnIn,
    TurnOut,
    TurnPage,
    TurnSummary,
    WindowOut,
    frame_of,
    query_answered,
    query_frame,
)
from conversation_engine.turns.service import TurnService
from conversation_engine.turns.types import NewTurn, Turn, TurnDetail, TurnEnded, TurnState

router = Room("/conversations/{conversation_id}", tags=["turns"], route_class=OnceRoute)
queries = APIRouter(tags=["query"], route_class=OnceRoute)


Turns = Annotated[TurnService, service_of(TurnService)]
Questions = Annotated[QuestionService, service_of(QuestionService)]
LastEventId = Annotated[int | None, Header(ge=0)]

_STREAM: dict[str, Any] = {
    "description": "With `Accept: text/event-stream`: `turn.started`, `reply.delta` … (and where tools are called "
    "`reply.tool_call`, `reply.tool_call_delta` …), then `turn.completed`, "
    "`turn.failed`, `turn.cancelled` or `turn.interrupted`. The `id` of an event is the reply's length in Unicode "
    "code points; send it back as `Last-Event-ID` to resume.",
    "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
}


@router.post(
    "/turns",
    status_code=201,
    responses={200: _STREAM, 201: {"model": TurnOut}},
    response_model=None,
    openapi_extra=SAYS_SOMETHING,
)
async def submit_turn(
    conversation_id: ConversationPath,
    body: TurnIn,
    *,
    request: Request,
    caller: Caller,
    turns: Turns,
    once: RequestOnce,
    last_event_id: LastEventId = None,
) -> Response:
    """Say something and have it answered: as a stream, or as JSON when the turn has ended.

    The message is stored before the model is called, and the turn goes on whether or not you stay to listen. With
    an `Idempotency-Key` a repeated request is the same turn: its stream is replayed, from `Last-Event-ID` if given.
    """
    turn = await turns.submit(_said(conversation_id, body, caller, once))
    return await _answer(turns, turn, request, after=last_event_id or 0)


@router.post(
    "/messages/{message_id}/edit",
    status_code=201,
    responses={200: _STREAM, 201: {"model": TurnOut}},
    response_model=None,
    openapi_extra=SAYS_SOMETHING,
)
async def edit_message(
    conversation_id: ConversationPath,
    message_id: MessagePath,
    body: TurnIn,
    *,
    request: Request,
    caller: Caller,
    turns: Turns,
    once: RequestOnce,
    last_event_id: LastEventId = None,
) -> Response:
    """Say a user's message otherwise and have it answered: a turn beside the old one, which stays (see `siblings`)."""
    turn = await turns.edit(message_id, _said(conversation_id, body, caller, once))
    return await _answer(turns, turn, request, after=last_event_id or 0)


@router.post(
    "/messages/{message_id}/regenerate",
    status_code=201,
    responses={200: _STREAM, 201: {"model": TurnOut}},
    response_model=None,
    openapi_extra=SAYS_SOMETHING,
)
async def regenerate_reply(
    conversation_id: ConversationPath,
    message_id: MessagePath,
    body: Annotated[AnswerIn | None, Body()] = None,
    *,
    request: Request,
    caller: Caller,
    turns: Turns,
    once: RequestOnce,
    last_event_id: LastEventId = None,
) -> Response:
    """Have a reply said anew, or a message answered again: a turn whose reply stands beside the old one."""
    turn = await turns.regenerate(message_id, _new_turn(conversation_id, body or AnswerIn(), caller, once))
    return await _answer(turns, turn, request, after=last_event_id or 0)


@router.delete("/messages/{message_id}")
async def delete_message(
    conversation_id: ConversationPath,
    message_id: MessagePath,
    *,
    caller: Caller,
    turns: Turns,
    once: RequestOnce,
) -> RemovedOut:
    """Remove a message and all that follows it; 409 while the conversation is answering."""
    removed = await turns.delete_message(conversation_id, message_id, owner_id=caller.user_id, once=once)
    return RemovedOut(removed=removed)


@router.get("/turns")
async def list_turns(
    conversation_id: ConversationPath,
    caller: Caller,
    turns: Turns,
    *,
    state: Annotated[TurnState | None, Query(description="`queued`: those that wait in line.")] = None,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> TurnPage:
    """The conversation's turns, newest first."""
    page = await turns.list_of(conversation_id, owner_id=caller.user_id, state=state, cursor=cursor, limit=limit)
    items = [TurnSummary.of(turn) for turn in page.items]
    return TurnPage(items=items, next=page.next, previous=page.previous)


@router.get("/turns/{turn_id}")
async def get_turn(conversation_id: ConversationPath, turn_id: TurnPath, caller: Caller, turns: Turns) -> TurnOut:
    """A turn with its reply, usage and cost."""
    return TurnOut.of(await turns.get(conversation_id, turn_id, owner_id=caller.user_id))


@router.get("/turns/{turn_id}/events", responses={200: _STREAM}, response_model=None)
async def follow_turn(
    conversation_id: ConversationPath,
    turn_id: TurnPath,
    caller: Caller,
    turns: Turns,
    *,
    after: Annotated[int | None, Query(ge=0, description="Offset to go on from.")] = None,
    last_event_id: Annotated[int | None, Header(ge=0)] = None,
) -> Response:
    """The turn's stream from an offset on: at any time, any number of times."""
    turn = await turns.find(conversation_id, turn_id, owner_id=caller.user_id)
    offset = after if after is not None else last_event_id or 0
    return EventStreamResponse(_frames(turns, turn, after=offset))


@router.post("/turns/{turn_id}/cancel")
async def cancel_turn(conversation_id: ConversationPath, turn_id: TurnPath, caller: Caller, turns: Turns) -> TurnOut:
    """Stop a running turn and keep the beginning of its reply. Idempotent: a finished turn is returned as it is."""
    return TurnOut.of(await turns.cancel(conversation_id, turn_id, owner_id=caller.user_id))


@router.get("/turns/{turn_id}/manifest")
async def get_manifest(
    conversation_id: ConversationPath, turn_id: TurnPath, caller: Caller, turns: Turns
) -> dict[str, Any] | None:
    """What the model was shown, what was left out, and why; null while the turn runs."""
    return await turns.manifest(conversation_id, turn_id, owner_id=caller.user_id)


@router.get("/context")
async def preview_context(
    conversation_id: ConversationPath,
    caller: Caller,
    turns: Turns,
    *,
    query: Annotated[
        str | None, Query(description="What would be said; unset: the model would answer what is there.")
    ] = None,
    model: str | None = None,
    strategy: Annotated[WindowStrategy | None, Query(description="Unset: as the conversation says.")] = None,
) -> WindowOut:
    """Exactly what the model would be shown, and why, without saying it or calling the model."""
    window = await turns.preview(
        conversation_id,
        owner_id=caller.user_id,
        model=model,
        query=query,
        options=WindowOptions(strategy=strategy),
    )
    messages = [{"role": message.role, "content": message.text} for message in window.messages]
    return WindowOut(messages=messages, manifest=window.manifest)


@router.get("/topics")
async def get_topics(conversation_id: ConversationPath, caller: Caller, questions: Questions) -> TopicsOut:
    """What the conversation is about, and where it turned to something else: by learnt weights, without a model."""
    return TopicsOut.of(await questions.topics(conversation_id, owner_id=caller.user_id))


@queries.post(
    "/query",
    openapi_extra=SAYS_SOMETHING,
    status_code=201,
    responses={
        200: _STREAM | {"description": f"`query.understood` (how it was understood), then: {_STREAM['description']}"},
        201: {"model": QueryOut},
    },
    response_model=None,
)
async def ask_question(
    body: QueryIn,
    *,
    request: Request,
    caller: Caller,
    questions: Questions,
    turns: Turns,
    once: RequestOnce,
    last_event_id: LastEventId = None,
) -> Response:
    """Ask in a session, or begin one: the question is understood, made to stand alone, and answered by a turn.

    What you said is stored in your own words, with its meaning as `understanding` in the message's metadata. With an
    `Idempotency-Key` a repeated request is the same session and the same turn.
    """
    asked = await questions.ask(_question(body, caller, once), body.query)
    turn = asked.turn
    location = {"location": f"/conversations/{turn.conversation_id}/turns/{turn.id}"}
    if wants_event_stream(request.headers.getlist("accept")):
        frames = _frames(turns, turn, after=last_event_id or 0, first=query_frame(asked))
        return EventStreamResponse(frames, headers=location)
    answered = query_answered(asked, await turns.wait(turn)).model_dump_json()
    return Response(answered, status_code=201, media_type="application/json", headers=location)


def _question(body: QueryIn, caller: Caller, once: Once | None) -> NewTurn:
    is_new = body.session_id is None
    session_id = ConversationId(new_id() if body.session_id is None else parse_id(body.session_id))
    starts = NewConversation(
        owner_id=caller.user_id, type=body.conversation_type, system_prompt=body.system_prompt, model=body.model
    )
    new = _new_turn(session_id, body, caller, once)
    return replace(new, starts=starts if is_new else None, message_metadata=body.message_metadata or {})


def _new_turn(conversation_id: ConversationId, body: AnswerIn, caller: Caller, once: Once | None) -> NewTurn:
    return NewTurn(
        conversation_id=conversation_id,
        owner_id=caller.user_id,
        role=caller.role,
        content=None,
        model=body.model,
        sampling=body.sampling(),
        window=body.window.options() if body.window else NO_OPTIONS,
        on_busy=body.on_busy,
        once=once,
    )


def _said(conversation_id: ConversationId, body: TurnIn, caller: Caller, once: Once | None) -> NewTurn:
    new = _new_turn(conversation_id, body, caller, once)
    return replace(new, content=body.content, message_metadata=body.message_metadata or {})


async def _answer(turns: TurnService, turn: Turn, request: Request, *, after: int) -> Response:
    location = {"location": f"/conversations/{turn.conversation_id}/turns/{turn.id}"}
    if wants_event_stream(request.headers.getlist("accept")):
        return EventStreamResponse(_frames(turns, turn, after=after), headers=location)
    return _json(await turns.wait(turn), status_code=201, headers=location)


async def _frames(
    turns: TurnService, turn: Turn, *, after: int, first: bytes | None = None
) -> AsyncGenerator[bytes, None]:
    if first is not None:
        yield first
    async with aclosing(turns.follow(turn, after=after)) as events:
        async for event in events:
            data = frame_of(event)
            yield LastFrame(data) if isinstance(event, TurnEnded) else data


def _json(detail: TurnDetail, *, status_code: int, headers: dict[str, str]) -> Response:
    body = TurnOut.of(detail).model_dump_json()
    return Response(body, status_code=status_code, media_type="application/json", headers=headers)
