"""What happens to every request before a route sees it. Plain ASGI: it is on the path of every streamed chunk."""

import re

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from conversation_engine.infra.ids import new_id
from conversation_engine.infra.web.problems import problem

_GOOD_REQUEST_ID = re.compile(r"[\w.:-]{1,128}", re.ASCII)


class TrailingSlash:
    """`/conversations/` means `/conversations`: answered, not redirected (clients drop bodies and tokens then)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and len(scope["path"]) > 1 and scope["path"].endswith("/"):
            scope = {**scope, "path": scope["path"].rstrip("/") or "/"}
        await self._app(scope, receive, send)


class RequestId:
    """Takes the caller's `X-Request-ID` or makes one, puts it into every log line and back into the answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _GOOD_REQUEST_ID.fullmatch(given) else new_id()

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["x-request-id"] = request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await self._app(scope, receive, send_with_id)


class BodyLimit:
    """Refuses a body over the limit with 413, whether or not it says how long it is."""

    def __init__(self, app: ASGIApp, *, limit_bytes: int) -> None:
        self._app = app
        self._limit_bytes = limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length")
        if length is not None:
            is_over = not length.isdigit() or int(length) > self._limit_bytes
        elif Headers(scope=scope).get("transfer-encoding"):
            messages = await self._read(receive)
            is_over = messages is None
            receive = _replay(messages or [], receive)
        else:
            is_over = False
        if is_over:
            await self._refuse(scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _read(self, receive: Receive) -> list[Message] | None:
        messages: list[Message] = []
        size = 0
        while True:
            message = await receive()
            messages.append(message)
            size += len(message.get("body", b""))
            if size > self._limit_bytes:
                return None
            if not message.get("more_body"):
                return messages

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = problem(
            413,
            code="body_too_large",
            detail=f"The body is over {self._limit_bytes} bytes. Send less at a time.",
            facts={"limit_bytes": self._limit_bytes},
            headers={"connection": "close"},
        )
        await response(scope, receive, send)


def _replay(messages: list[Message], receive: Receive) -> Receive:
    waiting = iter(messages)

    async def replayed() -> Message:
        return next(waiting, None) or await receive()

    return replayed
