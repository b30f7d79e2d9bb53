"""The `Idempotency-Key` header."""

import json
from collections.abc import Awaitable, Callable, Coroutine
from http import HTTPStatus
from typing import Annotated, Any, Final, Protocol, cast

from fastapi import Depends, Header, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.responses import Response

from conversation_engine.infra.web.access import caller_of
from conversation_engine.kernel.once import KeptAnswer, Once
from conversation_engine.kernel.people import Principal

_DESCRIPTION = (
    "Any string of yours, quoted or bare, new for each thing you want done. Sending the same request with the same key "
    "again does nothing twice: you get the first result. Remembered for 24 hours."
)


DIGITS_OF_FILES: Final = 8
"""In the length of what is told from others by its length: ten million bytes and more; no other body may be as long."""


async def _once(
    request: Request, idempotency_key: Annotated[str | None, Header(description=_DESCRIPTION)] = None
) -> Once | None:
    return None if idempotency_key is None else await _told(request, idempotency_key)


async def _told(request: Request, key: str, *salt: bytes) -> Once:
    path = request.url.path.rstrip("/")
    return Once.of(key, *salt, request.method, path, request.url.query, await _said(request))


async def _said(request: Request) -> bytes:
    """What tells this body from others; of files their size: they are too long to be held in memory."""
    length = request.headers.get("content-length", "")
    is_short = length.isdecimal() and len(length) < DIGITS_OF_FILES
    if is_short and not request.headers.get("content-type", "").startswith("multipart/"):
        return _canonical(await request.body())
    return length.encode()


RequestOnce = Annotated[Once | None, Depends(_once)]
"""Who takes one passes it to the service; the same request is told by method, path, query and what the body says."""


async def _no_store(response: Response) -> None:
    response.headers["cache-control"] = "no-store"


NOT_KEPT: Final = Depends(_no_store)
"""Of a route whose answer is a secret, or names somebody who is gone: neither we keep it nor anybody on the way."""
_HEADER: Final = "idempotency-key"
_CHANGING: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_PARAMETER: Final = {
    "name": "idempotency-key",
    "in": "header",
    "required": False,
    "schema": {
        "anyOf": [{"type": "string"}, {"type": "null"}],
        "description": _DESCRIPTION,
        "title": "Idempotency-Key",
    },
    "description": _DESCRIPTION,
}
CountRequest = Callable[[Request, Principal], Awaitable[None]]
"""What `app.state.count_request` is, where there are rate limits."""
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class AnswerOnce(Protocol):
    """What `app.state.answer_once` is: see AnswerBook."""

    async def __call__(
        self, once: Once, act: Callable[[], Awaitable[KeptAnswer | None]], *, owner_id: str
    ) -> KeptAnswer | None:
        """The answer of `act`, or what was answered when this key took effect."""
        ...


class OnceRoute(APIRoute):
    """A route that honours the header although its service knows nothing of it: its answer is kept for a repetition.

    The `route_class` of every router of authenticated callers. Routes that take a RequestOnce are left to their
    services, which make the answer again from what there is now: a stream cannot be kept.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        if self._keeps_answers:
            self.openapi_extra = {"parameters": [_PARAMETER], **(self.openapi_extra or {})}

    @property
    def _keeps_answers(self) -> bool:
        return bool(_CHANGING & (self.methods or set())) and not _takes_once(self.dependant)

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()
        return _once_handler(handle) if self._keeps_answers else handle


def _once_handler(handle: Handler) -> Handler:
    async def handle_once(request: Request) -> Response:
        key = request.headers.get(_HEADER)
        if key is None:
            return await handle(request)
        answer_once: AnswerOnce = request.app.state.answer_once
        caller = await caller_of(request)
        salt: bytes = request.app.state.key_salt  # a body may hold a password: nobody is to guess it by its hash
        once = await _told(request, key, salt)
        response: Response | None = None

        async def act() -> KeptAnswer | None:
            nonlocal response
            response = await handle(request)
            return _kept(response)

        answer = await answer_once(once, act, owner_id=caller.user_id)
        if response is not None or answer is None:
            return cast(Response, response)
        count: CountRequest | None = request.app.state.count_request
        if count is not None:  # a route counts for itself, and this time it was not asked
            await count(request, caller)
        return Response(answer.body, status_code=answer.status, media_type=answer.media_type)

    return handle_once


def _kept(response: Response) -> KeptAnswer | None:
    """What is kept of an answer; `None` of a secret (`no-store`), and of what says that nothing was done."""
    if response.status_code >= HTTPStatus.BAD_REQUEST or "no-store" in response.headers.get("cache-control", ""):
        return None
    return KeptAnswer(status=response.status_code, media_type=response.media_type, body=bytes(response.body).decode())


def _takes_once(dependant: Dependant) -> bool:
    return any(inner.call is _once or _takes_once(inner) for inner in dependant.dependencies)


def _canonical(body: bytes) -> bytes:
    """What a JSON body says, however it is spaced and ordered."""
    try:
        return json.dumps(json.loads(body), sort_keys=True, separators=(",", ":")).encode()
    except (ValueError, RecursionError):
        return body
