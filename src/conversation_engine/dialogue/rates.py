"""`@rate_limited`: a function that may not be called too often."""

import functools
import inspect
from collections.abc import Callable, Coroutine, Mapping
from math import ceil
from typing import Any, ParamSpec, TypeVar

from conversation_engine.domains.limits.errors import RateLimitedError
from conversation_engine.domains.limits.rates import Rate, parse_rate
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.infra.rates.memory import MemoryWindows
from conversation_engine.infra.rates.types import Charge, Quota
from conversation_engine.kernel.clock import SystemClock

P = ParamSpec("P")
R = TypeVar("R")
Limited = Callable[[Callable[P, Coroutine[Any, Any, R]]], Callable[P, Coroutine[Any, Any, R]]]


def rate_limited(
    *rates: str,
    by: str | None = "user_id",
    engine: ConversationEngine | None = None,
    name: str | None = None,
) -> Limited[P, R]:
    """Let an async function be called so often and no more: `@rate_limited("10/minute", "100/day")`.

    `by` names the argument, or else the attribute of `self`, whose values are counted apart; `None`: all calls
    together. Calls are counted in this process, or as `engine` counts: in Valkey where it has one. There `name`
    (the function's own, unless given) tells functions apart.

    A call too many raises RateLimitedError before the function runs, and is not counted. Raises BadRateRuleError, when
    decorating, for what is no rate, and TypeError for anything but an `async def` with that argument.
    """
    parsed = [parse_rate(rate) for rate in rates]

    def decorate(function: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, Coroutine[Any, Any, R]]:
        if not inspect.iscoroutinefunction(function):
            raise TypeError(f"@rate_limited wraps `async def` functions; {function!r} is none.")
        windows = MemoryWindows(SystemClock()) if engine is None else engine.rates.windows
        own_name = name or f"{function.__module__}.{function.__qualname__}"
        who_of = _finder(function, by)

        @functools.wraps(function)
        async def limited(*args: P.args, **kwargs: P.kwargs) -> R:
            who = who_of(args, kwargs)
            charges = [Charge(quota=_quota(own_name, rate, who)) for rate in parsed]
            refused = [one for one in await windows.take(charges) if one.wait_seconds > 0]
            if refused:
                wait = ceil(max(one.wait_seconds for one in refused))
                raise RateLimitedError(retry_after=wait, policies=[own_name])
            return await function(*args, **kwargs)

        return limited

    return decorate


def _quota(name: str, rate: Rate, who: object) -> Quota:
    key = f"call:{name}:{rate.limit}:{rate.period_seconds}:{who}"
    return Quota(key=key, limit=rate.limit, period_seconds=rate.period_seconds)


def _finder(function: Callable[..., Any], by: str | None) -> Callable[[tuple[Any, ...], Mapping[str, Any]], object]:
    """Finds in a call's arguments for whom it counts."""
    if by is None:
        return lambda args, kwargs: ""
    signature = inspect.signature(function)
    parameters = signature.parameters
    is_method = next(iter(parameters), None) == "self"
    takes_any = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values())
    if by not in parameters and not is_method and not takes_any:
        raise TypeError(
            f"@rate_limited counts by {by!r}, which {function!r} does not take. Name an argument of its own."
        )

    def who(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> object:
        if by in kwargs:
            return kwargs[by]
        if by in parameters:
            bound = signature.bind_partial(*args, **kwargs)
            bound.apply_defaults()
            return bound.arguments.get(by)
        return getattr(args[0], by, None) if is_method and args else None

    return who
