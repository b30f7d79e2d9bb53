"""The rates of every route."""

from typing import Final

from fastapi import Depends, Request

from conversation_engine.domains.limits.errors import RateLimitedError
from conversation_engine.domains.limits.rates import RateClass, RateLimiter, headers_of
from conversation_engine.infra.web.access import Caller
from conversation_engine.infra.web.answer_headers import put_answer_headers
from conversation_engine.infra.web.rate_class import rate_class_of
from conversation_engine.kernel.people import Principal


async def count_request(request: Request, caller: Principal) -> None:
    """Counts it before anything of it is looked at; what that says must be said of every answer."""
    rates: RateLimiter = request.app.state.services[RateLimiter]
    try:
        headers = headers_of(await rates.take(caller, RateClass(rate_class_of(request))))
    except RateLimitedError as error:
        put_answer_headers(request.scope, error.headers)
        raise
    if headers:
        put_answer_headers(request.scope, headers)


async def _limited(request: Request, caller: Caller) -> None:
    await count_request(request, caller)


RATE_LIMITED: Final = Depends(_limited)
"""Put before every router, where there are rules."""
