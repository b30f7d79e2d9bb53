"""Who is calling, and what they are served by."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, TypeVar, cast

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from conversation_engine.kernel.people import Principal

S = TypeVar("S")

_bearer = HTTPBearer(auto_error=False, bearerFormat="JWT", description="A token, as `convo token` prints it.")


# Dependencies are `async def` although they await nothing: FastAPI runs plain functions on a thread, and three hops a
# request cost more than the request.


async def _caller(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Principal:
    authenticate: Callable[[str | None], Awaitable[Principal]] = request.app.state.authenticate
    return await authenticate(credentials.credentials if credentials else None)


AUTHENTICATED: Final = Depends(_caller)
"""Put before every router: nobody learns more than 401 without a token, not even whether an id is well-formed."""

Caller = Annotated[Principal, Depends(_caller)]
"""The authenticated caller; a route that takes one answers 401 to everybody else."""


def service_of(kind: type[S]) -> Any:
    """A dependency that hands a route the application's instance of `kind`."""

    async def find(request: Request) -> S:
        return cast(S, request.app.state.services[kind])

    return Depends(find)
