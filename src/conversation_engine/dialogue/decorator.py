"""`@conversation_session`: a function that runs inside a conversation."""

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar, overload

from conversation_engine.dialogue.arguments import Call, CallBinder
from conversation_engine.dialogue.base_conversation import BaseConversation
from conversation_engine.dialogue.context import ConversationContext, activate, find_current_conversation
from conversation_engine.dialogue.errors import UserRequiredError
from conversation_engine.dialogue.service import ConversationEngineService
from conversation_engine.dialogue.types import ConversationSummaryDTO, Id
from conversation_engine.engine.engine import ConversationEngine

P = ParamSpec("P")
R = TypeVar("R")
V = TypeVar("V")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Defaults:
    """What the decorator was told."""

    engine: ConversationEngine | None
    user_id: Id | None
    conversation_type: str | None
    title: str | None
    metadata: Mapping[str, Any] | None
    system_prompt: str | None


@overload
def conversation_session(function: Callable[P, Coroutine[Any, Any, R]], /) -> Callable[P, Coroutine[Any, Any, R]]: ...


@overload
def conversation_session(
    *,
    engine: ConversationEngine | None = None,
    user_id: Id | None = None,
    conversation_type: str | None = None,
    title: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    system_prompt: str | None = None,
) -> Callable[[Callable[P, Coroutine[Any, Any, R]]], Callable[P, Coroutine[Any, Any, R]]]: ...


def conversation_session(
    function: Callable[P, Coroutine[Any, Any, R]] | None = None,
    /,
    *,
    engine: ConversationEngine | None = None,
    user_id: Id | None = None,
    conversation_type: str | None = None,
    title: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    system_prompt: str | None = None,
) -> Any:
    """Run an async function, or a method of a `BaseConversation`, inside a conversation.

    Callers may pass `conversation_id` (`uuid.UUID` or text) to go on with a conversation; without it a new one is
    started. The function is given the id as `conversation_id`, if it takes it or `**kwargs`: return it, and pass it
    with the next call. `current_conversation()` and the helpers of `BaseConversation` work inside, and whatever was
    current before is current again afterwards, errors included.

    The engine is the first found of: `engine=` of the call, the instance's `engine`, the decorator's, the enclosing
    session's; else one is opened with the settings of the environment and closed after the call (a tenth of a second
    or more: for scripts). The user is looked for in the same places, as `user_id`; without any, UserRequiredError.

    A session inside another one starts a conversation of its own unless `conversation_id` is passed on. Raises
    ConversationNotFoundError or ConversationForbiddenError before the function runs; TypeError, when decorating, for
    anything that is not an `async def` with a single result.
    """
    defaults = _Defaults(
        engine=engine,
        user_id=user_id,
        conversation_type=conversation_type,
        title=title,
        metadata=metadata,
        system_prompt=system_prompt,
    )
    if function is None:
        return functools.partial(_wrap, defaults=defaults)
    return _wrap(function, defaults=defaults)


def _wrap(function: Callable[P, Coroutine[Any, Any, R]], *, defaults: _Defaults) -> Callable[P, Coroutine[Any, Any, R]]:
    if not inspect.iscoroutinefunction(function):
        raise TypeError(f"@conversation_session wraps `async def` functions; {function!r} is none.")
    binder = CallBinder(function)

    @functools.wraps(function)
    async def in_session(*args: P.args, **kwargs: P.kwargs) -> R:
        call = binder.bind(args, kwargs)
        async with _open(call, defaults) as context:
            binder.show_conversation(call.bound, context.conversation_id)
            with activate(context):
                return await function(*call.bound.args, **call.bound.kwargs)

    return in_session


@asynccontextmanager
async def _open(call: Call, defaults: _Defaults) -> AsyncIterator[ConversationContext]:
    user_id = _user(call, defaults)
    if user_id is None:
        raise UserRequiredError
    instance = call.instance if isinstance(call.instance, BaseConversation) else None
    prompt = defaults.system_prompt
    if prompt is None and instance is not None:
        prompt = instance.load_system_prompt()
    async with _engine(call, defaults) as engine:
        service = ConversationEngineService(engine, user_id=user_id)
        wanted: Id | None = call.session["conversation_id"]
        if wanted is None:
            conversation = await _start(service, instance, defaults, prompt=prompt)
        else:
            conversation = await service.get_conversation(wanted)
        yield ConversationContext(
            service=service, conversation_id=conversation.id, user_id=conversation.user_id, system_prompt=prompt
        )


async def _start(
    service: ConversationEngineService, instance: BaseConversation | None, defaults: _Defaults, *, prompt: str | None
) -> ConversationSummaryDTO:
    """A new conversation. It keeps the prompt, so that other doors go on in the same voice."""
    kind = instance or BaseConversation
    return await service.create_conversation(
        conversation_type=defaults.conversation_type or kind.conversation_type,
        title=defaults.title or kind.title,
        metadata=defaults.metadata,
        system_prompt=prompt or None,
        model=kind.model,
    )


@asynccontextmanager
async def _engine(call: Call, defaults: _Defaults) -> AsyncIterator[ConversationEngine]:
    enclosing = find_current_conversation()
    around = None if enclosing is None else enclosing.service.engine
    own = getattr(call.instance, "engine", None)
    own = own if isinstance(own, ConversationEngine) else None  # other people's classes have other engines
    found = _first(call.session["engine"], own, defaults.engine, around)
    if found is not None:
        yield found
        return
    async with ConversationEngine() as opened:
        yield opened


def _user(call: Call, defaults: _Defaults) -> Id | None:
    enclosing = find_current_conversation()
    around = None if enclosing is None else enclosing.user_id
    own: Id | None = getattr(call.instance, "user_id", None)
    return _first(call.session["user_id"], own, defaults.user_id, around)


def _first(*places: V | None) -> V | None:
    return next((value for value in places if value is not None), None)
