"""`/v1/responses`."""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Annotated, Any

from fastapi import Query, Request, Response

from conversation_engine.domains.llm.errors import ContextTooLongError
from conversation_engine.domains.llm.service import LlmService
from conversation_engine.domains.llm.tokens import estimate_prompt, media_tokens_in, tools_tokens_for
from conversation_engine.domains.llm.types import Sampling
from conversation_engine.engine.dialects import Dialects
from conversation_engine.entrypoints.openai.asking import CONVERSATION_TYPE, place_of, text_said, turn_of
from conversation_engine.entrypoints.openai.errors import BadFieldError, UnsupportedFieldError
from conversation_engine.entrypoints.openai.fields import TAGS
from conversation_engine.entrypoints.openai.ids import RESPONSE, shown, turn_id_of
from conversation_engine.entrypoints.openai.items import all_said, as_prompt, items_of
from conversation_engine.entrypoints.openai.leaving import GONE, unless_gone
from conversation_engine.entrypoints.openai.lists import Items, Order, listed
from conversation_engine.entrypoints.openai.media import blaming
from conversation_engine.entrypoints.openai.narration import Narration, broken, offset_after
from conversation_engine.entrypoints.openai.response_objects import response_of, running
from conversation_engine.entrypoints.openai.response_schemas import AskIn, ResponseIn
from conversation_engine.entrypoints.openai.response_shapes import InputTokens, ResponseDeleted, ResponseObject
from conversation_engine.infra.web.access import Caller, service_of
from conversation_engine.infra.web.event_stream import MEDIA_TYPE, EventStreamResponse
from conversation_engine.infra.web.once import OnceRoute, RequestOnce
from conversation_engine.infra.web.rate_class import SAYS_SOMETHING
from conversation_engine.infra.web.room import Room
from conversation_engine.turns.answers.service import AnswerService
from conversation_engine.turns.passing.service import PassingService
from conversation_engine.turns.passing.types import Prompt
from conversation_engine.turns.service import TurnService
from conversation_engine.turns.state import is_final
from conversation_engine.turns.types import NewTurn, Turn, TurnEvent

router = Room("/v1/responses", tags=TAGS, route_class=OnceRoute)
Answers = Annotated[AnswerService, service_of(AnswerService)]
Models = Annotated[LlmService, service_of(LlmService)]
Doors = Annotated[Dialects, service_of(Dialects)]
Turns = Annotated[TurnService, service_of(TurnService)]
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A `response`; with `stream`, `response.created` … `response.completed` (or `response.failed`, "
        "`response.incomplete`), each with a `sequence_number` to go on after, and at last `[DONE]`.",
        "model": ResponseObject,
        "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
    }
}


@router.post("", responses=_ANSWERS, response_model=None, openapi_extra=SAYS_SOMETHING)
async def create_response(
    body: ResponseIn,
    *,
    request: Request,
    caller: Caller,
    dialects: Doors,
    turns: Turns,
    once: RequestOnce,
) -> Response:
    """Have something answered: a turn in the conversation named, in that of the previous response, or in a new one.

    What was said is stored before the model is asked, and the response is made whether or not you stay to listen.
    """
    body.check()
    if body.store is False:
        if once is not None:
            raise UnsupportedFieldError("Idempotency-Key", "the response is not to be stored")
        return await _unstored(body, caller, request, dialects.passing)
    place = await place_of(body, caller=caller, answers=dialects.answers)
    new = turn_of(body, place, caller=caller)
    if body.truncation == "disabled" and not place.is_new:
        await _check_room(turns, new)
    with blaming(body.input, place="input", form="text.format"):
        turn = await turns.submit(replace(new, sampling=body.sampling(), reply_metadata=body.kept(), once=once))
    if body.stream:
        return _stream(turns, turn, starting_after=None)
    if body.background and not is_final(turn.state):
        return _json(running(turn, state=turn.state))
    return _json(response_of(await turns.wait(turn)))


@router.post("/input_tokens")
async def count_input_tokens(
    body: AskIn, caller: Caller, *, answers: Answers, models: Models, turns: Turns
) -> InputTokens:
    """How many tokens a model would be shown, without asking it."""
    body.check()
    place = await place_of(body, caller=caller, answers=answers)
    if place.is_new:
        prompt = as_prompt(body.instructions, all_said(body.input, place="input"))
        card = models.card(body.model)
        tokens = estimate_prompt(card, prompt) + tools_tokens_for(card, Sampling(tools=body.toolbox()))
    else:
        new = turn_of(body, place, caller=caller)
        window = await turns.preview(
            new.conversation_id,
            owner_id=new.owner_id,
            model=new.model,
            system_prompt=new.system_prompt,
            query=text_said(new),
            options=new.window,
        )
        tokens = window.input_tokens + media_tokens_in(as_prompt(None, all_said(body.input, place="input")))
        tokens += tools_tokens_for(models.card(body.model), Sampling(tools=body.toolbox()))
    return InputTokens(input_tokens=tokens)


@router.get("/{response_id}", responses=_ANSWERS, response_model=None)
async def get_response(
    response_id: str,
    caller: Caller,
    answers: Answers,
    turns: Turns,
    *,
    stream: bool = False,
    starting_after: Annotated[int | None, Query(ge=0, description="A `sequence_number`; with `stream`.")] = None,
    include: Annotated[list[str] | None, Query(max_length=20)] = None,
    include_obfuscation: bool = False,
) -> Response:
    """A response as it is now; with `stream` from any number on, at any time, any number of times."""
    if include or include_obfuscation:
        raise UnsupportedFieldError("include" if include else "include_obfuscation")
    if stream:
        turn = await answers.find(turn_id_of(response_id), owner_id=caller.user_id)
        return _stream(turns, turn, starting_after=starting_after)
    return _json(response_of(await answers.get(turn_id_of(response_id), owner_id=caller.user_id)))


@router.delete("/{response_id}")
async def delete_response(response_id: str, caller: Caller, answers: Answers) -> ResponseDeleted:
    """Forget a response; what was said in a conversation that somebody made stays there."""
    turn_id = turn_id_of(response_id)
    await answers.forget(turn_id, owner_id=caller.user_id, made_for=CONVERSATION_TYPE)
    return ResponseDeleted(id=shown(RESPONSE, turn_id))


@router.post("/{response_id}/cancel", responses={200: {"model": ResponseObject}}, response_model=None)
async def cancel_response(response_id: str, caller: Caller, answers: Answers, turns: Turns) -> Response:
    """Stop a response and keep its beginning. Idempotent: one that has ended is given as it is."""
    turn = await answers.find(turn_id_of(response_id), owner_id=caller.user_id)
    return _json(response_of(await turns.cancel(turn.conversation_id, turn.id, owner_id=caller.user_id)))


@router.get("/{response_id}/input_items")
async def list_input_items(
    response_id: str,
    caller: Caller,
    answers: Answers,
    *,
    after: Annotated[str | None, Query(max_length=100)] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    order: Order = "desc",
    include: Annotated[list[str] | None, Query(max_length=20)] = None,
) -> Items:
    """What was said with a response; not what was said before it."""
    if include:
        raise UnsupportedFieldError("include")
    turn = await answers.find(turn_id_of(response_id), owner_id=caller.user_id)
    items = [item for message in await answers.inputs(turn) for item in items_of(message)]
    return listed(items if order == "asc" else items[::-1], after=after, limit=limit)


async def _unstored(body: ResponseIn, caller: Caller, request: Request, passing: PassingService) -> Response:
    said = all_said(body.input, place="input")
    if not said:
        raise BadFieldError("input", "There is nothing to answer. Send `input`.")
    prompt = Prompt(
        owner_id=caller.user_id,
        role=caller.role,
        messages=as_prompt(body.instructions, said),
        instructions=body.instructions,
        model=body.model,
        sampling=body.sampling(),
        reply_metadata=body.kept(),
    )
    with blaming(body.input, place="input", form="text.format"):
        run = await passing.begin(prompt)
    if body.stream:
        narration = Narration(run.turn, starting_after=None, is_stored=False)
        return EventStreamResponse(_frames(passing.follow(run), narration), told=broken)
    detail = await unless_gone(request, passing.wait(run))
    if detail is None:
        return Response(status_code=GONE)
    if run.error is not None and detail.reply is None:
        raise run.error
    return _json(response_of(detail, is_stored=False))


def _stream(turns: TurnService, turn: Turn, *, starting_after: int | None) -> Response:
    narration = Narration(turn, starting_after=starting_after, is_stored=True)
    events = turns.follow(turn, after=offset_after(turn, starting_after))
    return EventStreamResponse(_frames(events, narration), told=broken)


async def _frames(events: AsyncGenerator[TurnEvent, None], narration: Narration) -> AsyncGenerator[bytes, None]:
    async with aclosing(events):
        async for event in events:
            if frames := narration.frames(event):
                yield frames


async def _check_room(turns: TurnService, new: NewTurn) -> None:
    """Raises ContextTooLongError where something would be left out of what the model is shown."""
    window = await turns.preview(
        new.conversation_id,
        owner_id=new.owner_id,
        model=new.model,
        system_prompt=new.system_prompt,
        query=text_said(new),
        options=new.window,
    )
    if window.manifest.get("dropped"):
        raise ContextTooLongError("truncation is disabled")


def _json(body: dict[str, Any]) -> Response:
    return Response(json.dumps(body, ensure_ascii=False).encode(errors="replace"), media_type="application/json")
