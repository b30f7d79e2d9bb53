"""The rates of every route."""

from typing import Annotated, Final

from fastapi import Depends, Request

from conversation_engine.domains.limits.errors import RateLimitedError
from conversation_engine.domains.limits.rates import RateClass, RateLimiter, headers_of
from conversation_engine.infra.web.access import Caller, service_of
from conversation_engine.infra.web.answer_headers import put_answer_headers
from conversation_engine.infra.web.rate_class import rate_class_of

Rates = Annotated[RateLimiter, service_of(RateLimiter)]


async def _limited(request: Request, caller: Caller, rates: Rates) -> None:
    """Counts the request before anything of it is looked at; what it says must be said of every answer."""
    try:
        headers = headers_of(await rates.take(caller, RateClass(rate_class_of(request))))
    except RateLimitedError as error:
        put_answer_headers(request.scope, error.headers)
        raise
    if headers:
        put_answer_headers(request.scope, headers)


RATE_LIMITED: Final = Depends(_limited)
"""Put before every router, where there are rules."""
