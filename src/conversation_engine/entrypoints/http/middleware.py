"""What happens to every request before a route sees it. Plain ASGI: it is on the path of every streamed chunk."""

import asyncio
import contextlib
import ipaddress
import re
from typing import Final

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from conversation_engine.entrypoints.http.metrics import RequestMeter
from conversation_engine.infra.ids import new_id
from conversation_engine.infra.observability.logs import get_logger
from conversation_engine.infra.observability.tracing import NO_SPAN
from conversation_engine.infra.web.answer_headers import answer_headers_of
from conversation_engine.infra.web.problems import problem, problem_of
from conversation_engine.kernel.errors import InternalError

LINGER_SECONDS: Final = 2.0
"""How long a client that was refused may go on sending before it is cut off (nginx: `lingering_timeout`, 5 s)."""
UPLOADS: Final = (("POST", "/documents"), ("POST", "/account/import"), ("PUT", "/ui/_stcore/upload_file/"))
"""Where files come in: the API, and the web page's own way to its server."""
SECRET_PATHS: Final = re.compile(r"(/shared/).+")
"""What follows is a secret, and nothing for logs."""
_GOOD_REQUEST_ID = re.compile(r"[\w.:-]{1,128}", re.ASCII)
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")
_log = get_logger(__name__)


PROTECTION: Final = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
}
"""On every answer that says nothing else: what people said stays out of caches, frames and other sites' pages."""
STRICT_TRANSPORT: Final = "max-age=31536000"


_RAW_PROTECTION: Final = [(name.encode(), value.encode()) for name, value in PROTECTION.items()]


class TrailingSlash:
    """`/conversations/` means `/conversations`: answered, not redirected (clients drop bodies and tokens then)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and len(scope["path"]) > 1 and scope["path"].endswith("/"):
            scope = {**scope, "path": scope["path"].rstrip("/") or "/"}
        await self._app(scope, receive, send)


class RequestId:
    """Takes the caller's `X-Request-ID` or makes one, puts it into every log line and back into the answer.

    So does the id of the trace that the request is part of (`traceparent`, W3C Trace Context).
    What is counted and traced of requests (`RequestMeter`) is noted here, too: a layer of its own would cost at every
    chunk.
    Headers that are to be on every answer (`answer_headers_of`) go out here too, whoever made the answer.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        meter: RequestMeter | None = getattr(scope["app"].state, "request_meter", None)
        headers_in = Headers(scope=scope)
        noted = None if meter is None else meter.begin(scope, headers_in)
        span = NO_SPAN if noted is None else noted.span
        given = headers_in.get("x-request-id", "")
        ids = trace_of(headers_in.get("traceparent", ""))
        request_id = given if _GOOD_REQUEST_ID.fullmatch(given) else new_id()

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = request_id
                _protect(headers, is_encrypted=scope.get("scheme") == "https")
                headers.update(answer_headers_of(scope))
                if noted is not None:
                    noted.note_answer(message["status"], headers.get("content-type", ""))
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id, **ids), span:
            try:
                await self._app(scope, receive, send_with_id)
            finally:
                if noted is not None:
                    noted.end(scope)


def trace_of(traceparent: str) -> dict[str, str]:
    """What log lines are to say of the trace; nothing where there is none."""
    found = _TRACEPARENT.fullmatch(traceparent)
    return {"trace_id": found[1]} if found and found[1].strip("0") else {}


def _protect(headers: MutableHeaders, *, is_encrypted: bool) -> None:
    present = {name for name, _ in headers.raw}
    headers.raw.extend(pair for pair in _RAW_PROTECTION if pair[0] not in present)
    if is_encrypted:
        headers.setdefault("strict-transport-security", STRICT_TRANSPORT)


class CrashGuard:
    """Answers 500 where something of ours breaks, and logs where; the answer has the request id that the log has."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_started = False

        async def watched_send(message: Message) -> None:
            nonlocal is_started
            is_started = True
            await send(message)

        try:
            await self._app(scope, receive, watched_send)
        except Exception:
            if is_started:
                raise  # the server cuts the connection: half an answer must not look like a whole one
            _log.exception("request.crashed", method=scope["method"], path=SECRET_PATHS.sub(r"\1…", scope["path"]))
            await problem_of(InternalError())(scope, receive, send)


class LoopbackOnly:
    """Answers nothing that came in from beyond this machine.

    For servers on the laptop's own secret: `uvicorn --host 0.0.0.0` does not tell the application where it listens.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or _is_loopback(scope.get("server")):
            await self._app(scope, receive, send)
            return
        response = problem(
            503,
            code="secret_required",
            detail="This server answers on its own machine only, until CE_SECRET is set. Tell the operator.",
        )
        await response(scope, receive, send)


class BodyLimit:
    """Refuses a body over the limit with 413, whether or not it says how long it is.

    Uploads have a limit of their own, for those that say how long they are.
    """

    def __init__(self, app: ASGIApp, *, limit_bytes: int, upload_limit_bytes: int = 0) -> None:
        self._app = app
        self._limit_bytes = limit_bytes
        self._upload_limit_bytes = upload_limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        length = headers.get("content-length", "")
        if length.isdecimal() and "transfer-encoding" not in headers:
            is_over = int(length) > self._limit_of(scope)
        else:  # no length, or one that does not count: HTTP/1.1 lets chunks win, HTTP/2 needs neither
            messages = await self._read(receive)
            is_over = messages is None
            receive = _replay(messages or [], receive)
        if is_over:
            await self._refuse(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _limit_of(self, scope: Scope) -> int:
        method, path = scope["method"], scope["path"]
        is_upload = any(
            method == its_method and (path.startswith(start) if start.endswith("/") else path == start)
            for its_method, start in UPLOADS
        )
        return max(self._limit_bytes, self._upload_limit_bytes) if is_upload else self._limit_bytes

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
        limit = self._limit_of(scope) if "content-length" in Headers(scope=scope) else self._limit_bytes
        response = problem(
            413,
            code="body_too_large",
            detail=f"The body is over {limit} bytes. Send less at a time.",
            facts={"limit_bytes": limit},
            headers={"connection": "close"},
        )

        async def send_unended(message: Message) -> None:
            await send({**message, "more_body": True} if message["type"] == "http.response.body" else message)

        await response(scope, receive, send_unended)
        # Closing while the body is still coming would reset the connection, and the client would never read the answer.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                while (await receive()).get("more_body"):
                    pass
        await send({"type": "http.response.body", "body": b""})


def _replay(messages: list[Message], receive: Receive) -> Receive:
    waiting = iter(messages)

    async def replayed() -> Message:
        return next(waiting, None) or await receive()

    return replayed


def _is_loopback(server: tuple[str, int | None] | None) -> bool:
    """Whether a connection's own end is on this machine alone; a Unix socket or an in-process call is."""
    try:
        return server is None or ipaddress.ip_address(server[0]).is_loopback
    except ValueError:
        return True
