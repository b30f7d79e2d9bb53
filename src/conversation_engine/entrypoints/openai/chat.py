"""`POST /v1/chat/completions`."""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import Header, Request, Response

from conversation_engine.domains.conversations.types import Content, MessageRole, NewMessage
from conversation_engine.domains.llm.parts import Parts
from conversation_engine.entrypoints.openai.chat_answers import Chunks, broken, completion_of
from conversation_engine.entrypoints.openai.chat_schemas import ChatIn, said_anew
from conversation_engine.entrypoints.openai.chat_shapes import ChatCompletion
from conversation_engine.entrypoints.openai.error_shape import RETRY_HEADER
from conversation_engine.entrypoints.openai.errors import UnsupportedFieldError
from conversation_engine.entrypoints.openai.failures import failure_of
from conversation_engine.entrypoints.openai.fields import TAGS
from conversation_engine.entrypoints.openai.ids import conversation_id_of
from conversation_engine.entrypoints.openai.leaving import GONE, unless_gone
from conversation_engine.entrypoints.openai.media import blaming
from conversation_engine.infra.ids import new_id
from conversation_engine.infra.web.access import Caller, service_of
from conversation_engine.infra.web.event_stream import MEDIA_TYPE, EventStreamResponse
from conversation_engine.infra.web.once import OnceRoute, RequestOnce
from conversation_engine.infra.web.rate_class import SAYS_SOMETHING
from conversation_engine.infra.web.room import Room
from conversation_engine.kernel.ids import MessageId
from conversation_engine.turns.passing.service import PassingService
from conversation_engine.turns.passing.types import Prompt
from conversation_engine.turns.service import TurnService
from conversation_engine.turns.types import NewTurn, Turn, TurnDetail, TurnEvent, TurnState

router = Room("/v1/chat", tags=TAGS, route_class=OnceRoute)
Passing = Annotated[PassingService, service_of(PassingService)]
Turns = Annotated[TurnService, service_of(TurnService)]
ConversationHeader = Annotated[str | None, Header(description="The conversation, for clients that add no fields.")]
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A `chat.completion`; with `stream`, `chat.completion.chunk`s and at last `[DONE]`.",
        "model": ChatCompletion,
        "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
    }
}


@router.post("/completions", responses=_ANSWERS, response_model=None, openapi_extra=SAYS_SOMETHING)
async def complete_chat(
    body: ChatIn,
    *,
    request: Request,
    caller: Caller,
    passing: Passing,
    turns: Turns,
    once: RequestOnce,
    x_conversation_id: ConversationHeader = None,
) -> Response:
    """Continue a chat. Without a conversation nothing of it is stored but what it cost, and hanging up ends the call.

    In a conversation (the field `conversation`, or the header `X-Conversation-Id`) it is a turn like any other: the
    last message is said there, and the answer is kept whether or not you stay to listen.
    """
    prompt = body.prompt()
    named = _conversation_named(body, x_conversation_id)
    if named is None:
        if once is not None:
            raise UnsupportedFieldError("Idempotency-Key", "a chat without a conversation is not kept")
        if body.metadata:
            raise UnsupportedFieldError("metadata", "a chat without a conversation is not kept")
        wanted = Prompt(
            owner_id=caller.user_id, role=caller.role, messages=prompt, model=body.model, sampling=body.sampling()
        )
        return await _passing(passing, wanted, body, request)
    instructions, said = said_anew(prompt)
    new = NewTurn(
        conversation_id=conversation_id_of(named),
        owner_id=caller.user_id,
        role=caller.role,
        content=_stored(said[-1]),
        preceding=[
            NewMessage(id=MessageId(new_id()), role=MessageRole.USER, content=_stored(one)) for one in said[:-1]
        ],
        model=body.model,
        system_prompt=instructions,
        sampling=body.sampling(),
        reply_metadata=body.metadata or {},
        once=once,
    )
    with blaming(body.messages, place="messages", form="response_format"):
        turn = await turns.submit(new)
    if body.stream:
        return EventStreamResponse(_frames(turns.follow(turn), turn, body, is_stored=True), told=broken)
    return _completed(await turns.wait(turn), is_stored=True)


async def _passing(passing: PassingService, prompt: Prompt, body: ChatIn, request: Request) -> Response:
    with blaming(body.messages, place="messages", form="response_format"):
        run = await passing.begin(prompt)
    if body.stream:
        return EventStreamResponse(_frames(passing.follow(run), run.turn, body, is_stored=False), told=broken)
    detail = await unless_gone(request, passing.wait(run))
    if detail is None:
        return Response(status_code=GONE)
    if run.error is not None and detail.reply is None:
        raise run.error
    return _completed(detail, is_stored=False)


def _stored(said: str | Parts) -> Content:
    return said if isinstance(said, str) else said.as_json()


def _conversation_named(body: ChatIn, header: str | None) -> str | None:
    field = body.conversation
    named = field if isinstance(field, str) or field is None else field.id
    return named or header


def _completed(detail: TurnDetail, *, is_stored: bool) -> Response:
    if detail.turn.state is TurnState.COMPLETED:
        answer = json.dumps(completion_of(detail, is_stored=is_stored), ensure_ascii=False)
        return Response(answer.encode(errors="replace"), media_type="application/json")
    failure = failure_of(detail.turn)
    # What was said is stored: a client that asked again by itself would say it twice.
    headers = {RETRY_HEADER: "false"} if is_stored else {}
    return Response(json.dumps(failure.body), failure.status, media_type="application/json", headers=headers)


async def _frames(
    events: AsyncGenerator[TurnEvent, None], turn: Turn, body: ChatIn, *, is_stored: bool
) -> AsyncGenerator[bytes, None]:
    chunks = Chunks(turn, is_stored=is_stored, wants_usage=body.wants_usage)
    async with aclosing(events):
        async for event in events:
            if frames := chunks.frames(event):
                yield frames
            if chunks.is_over:
                return
