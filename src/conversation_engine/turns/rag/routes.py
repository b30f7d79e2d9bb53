"""`/rag/query`, `/rag/conversation/{id}/query` and a conversation's collections over HTTP."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response

from conversation_engine.infra.web.access import Caller, service_of
from conversation_engine.infra.web.event_stream import MEDIA_TYPE, EventStreamResponse, wants_event_stream
from conversation_engine.infra.web.once import OnceRoute, RequestOnce
from conversation_engine.infra.web.paths import ConversationPath
from conversation_engine.infra.web.rate_class import SAYS_SOMETHING
from conversation_engine.kernel.ids import ConversationId
from conversation_engine.kernel.once import Once
from conversation_engine.turns.rag.schemas import AnswerOut, CollectionsIn, CollectionsOut, QuestionIn
from conversation_engine.turns.rag.service import RagService
from conversation_engine.turns.schemas import frame_of
from conversation_engine.turns.service import TurnService
from conversation_engine.turns.types import NewTurn, Turn

router = APIRouter(tags=["rag"], route_class=OnceRoute)


Rag = Annotated[RagService, service_of(RagService)]
Turns = Annotated[TurnService, service_of(TurnService)]
_STREAM: dict[str, Any] = {
    "description": "With `Accept: text/event-stream`: the turn's events, as `POST /conversations/{id}/turns` sends "
    "them; the reply's metadata in the last one hold what was found and cited.",
    "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
}
_RESPONSES: dict[int | str, dict[str, Any]] = {200: {**_STREAM, "model": AnswerOut}}


@router.post("/rag/query", responses=_RESPONSES, response_model=None, openapi_extra=SAYS_SOMETHING)
async def query(
    body: QuestionIn, *, request: Request, caller: Caller, rag: Rag, turns: Turns, once: RequestOnce
) -> Response:
    """Ask your documents; a conversation of type `rag_query` is made for it."""
    turn = await rag.ask_anew(_turn(ConversationId(""), body, caller, once))
    return await _answer(turn, body, request, rag=rag, turns=turns)


@router.post(
    "/rag/conversation/{conversation_id}/query",
    responses=_RESPONSES,
    response_model=None,
    openapi_extra=SAYS_SOMETHING,
)
async def query_in_conversation(
    conversation_id: ConversationPath,
    body: QuestionIn,
    *,
    request: Request,
    caller: Caller,
    rag: Rag,
    turns: Turns,
    once: RequestOnce,
) -> Response:
    """Ask in a conversation: the question is understood from what was said before."""
    turn = await rag.ask(_turn(conversation_id, body, caller, once))
    return await _answer(turn, body, request, rag=rag, turns=turns)


@router.put("/conversations/{conversation_id}/collections")
async def attach_collections(
    conversation_id: ConversationPath, body: CollectionsIn, caller: Caller, rag: Rag
) -> CollectionsOut:
    """Have every answer in a conversation looked up in these collections first; an empty list ends that."""
    changed = await rag.attach(conversation_id, body.collection_ids, caller=caller)
    return CollectionsOut(conversation_id=changed.id, collection_ids=list(changed.collection_ids))


def _turn(conversation_id: ConversationId, body: QuestionIn, caller: Caller, once: Once | None) -> NewTurn:
    return NewTurn(
        conversation_id=conversation_id,
        owner_id=caller.user_id,
        role=caller.role,
        content=body.query,
        model=body.model,
        retrieval=body.options(),
        once=once,
    )


async def _answer(turn: Turn, body: QuestionIn, request: Request, *, rag: RagService, turns: TurnService) -> Response:
    headers = {"location": f"/conversations/{turn.conversation_id}/turns/{turn.id}"}
    if wants_event_stream(request.headers.getlist("accept")):
        return EventStreamResponse(_frames(turns, turn), headers=headers)
    detail = await rag.wait(turn)
    sources = await rag.sources(detail) if body.include_sources else None
    answer = AnswerOut.of(detail, query=body.query, sources=sources).model_dump_json()
    return Response(answer, media_type="application/json", headers=headers)


async def _frames(turns: TurnService, turn: Turn) -> AsyncGenerator[bytes, None]:
    async with aclosing(turns.follow(turn)) as events:
        async for event in events:
            yield frame_of(event)
