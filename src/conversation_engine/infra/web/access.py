"""Who is calling, and what they are served by."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, TypeVar, cast

from fastapi import Depends, Request
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase
from fastapi.security.utils import get_authorization_scheme_param

from conversation_engine.kernel.people import Principal

S = TypeVar("S")


async def caller_of(request: Request) -> Principal:
    """Who sends it, by its bearer token. Raises what says 401."""
    authenticate: Callable[[str | None], Awaitable[Principal]] = request.app.state.authenticate
    scheme, token = get_authorization_scheme_param(request.headers.get("authorization"))
    return await authenticate(token if token and scheme.lower() == "bearer" else None)


# Dependencies are `async def` although they await nothing: FastAPI runs plain functions on a thread, and three hops a
# request cost more than the request.


class _BearerToken(SecurityBase):
    """The scheme, for the document, and the caller, for routes: one dependency instead of two at every request."""

    model = HTTPBearer(bearerFormat="JWT", description="A token, as `convo token` prints it.")
    scheme_name = "HTTPBearer"

    async def __call__(self, request: Request) -> Principal:
        return await caller_of(request)


_caller = _BearerToken()

AUTHENTICATED: Final = Depends(_caller)
"""Put before every router: nobody learns more than 401 without a token, not even whether an id is well-formed."""

Caller = Annotated[Principal, Depends(_caller)]
"""The authenticated caller; a route that takes one answers 401 to everybody else."""


def service_of(kind: type[S]) -> Any:
    """A dependency that hands a route the application's instance of `kind`."""

    async def find(request: Request) -> S:
        return cast(S, request.app.state.services[kind])

    return Depends(find)
