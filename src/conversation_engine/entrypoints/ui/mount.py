"""Puts the web page on the API's own port, under `/ui`. Streamlit is loaded when somebody first asks for it."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from conversation_engine.entrypoints.ui import door

PREFIX: Final = "/ui"
SCRIPT: Final = Path(__file__).with_name("script.py")
API_HEADER: Final = "x-convo-api"
SESSION_HEADER: Final = "x-convo-session"
"""Set by us on what pages are asked with, so that they know where the API is and who is there. Never a browser's."""
CONTENT_POLICY: Final = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
NOT_INSTALLED: Final = (
    "<!doctype html><meta charset=utf-8><title>No web page</title><p>The web page is not installed here. "
    "Add it with <code>pip install 'conversation-engine[ui]'</code>; the API works without it."
)


def is_installed() -> bool:
    """Whether there is a web page at all: it is an extra."""
    return find_spec("streamlit") is not None and find_spec("httpx2") is not None


class WebPages:
    """The ASGI application under `/ui`: the door, and behind it the pages."""

    def __init__(self, api: ASGIApp, *, api_url: str | None) -> None:
        """`api_url` is where pages reach the API; unset: where the browser's request came in."""
        self._api_url = api_url
        self._door = door.Door(api)
        self._pages: ASGIApp | None = None
        self._starting = asyncio.Lock()
        self._running = contextlib.AsyncExitStack()

    @contextlib.asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Ends what was started meanwhile."""
        async with self._running:
            yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request or a web socket."""
        connection = HTTPConnection(scope)
        path = scope["path"].removeprefix(PREFIX)
        send = _protected(send) if scope["type"] == "http" else send
        if path in ("/enter", "/leave"):
            await self._door(scope, receive, send)
        elif scope["type"] == "http" and scope.get("raw_path", b"").split(b"?")[0] == PREFIX.encode():
            await RedirectResponse(f"{PREFIX}/", 307)(scope, receive, send)
        elif _is_page(connection) and door.session_of(connection) is None:
            await RedirectResponse(f"{PREFIX}/enter", 303)(scope, receive, send)
        elif scope["type"] == "websocket" and not door.is_same_site(connection):
            await send({"type": "websocket.close", "code": 1008})
        else:
            pages = await self._started()
            send = _prolonging(send, connection) if _is_page(connection) else send
            await pages(self._introduced(scope, connection), receive, send)

    async def _started(self) -> ASGIApp:
        async with self._starting:
            if self._pages is None:
                self._pages = await self._start() if is_installed() else HTMLResponse(NOT_INSTALLED, 501)
            return self._pages

    async def _start(self) -> ASGIApp:
        await asyncio.to_thread(_load_streamlit)
        import streamlit as st

        app = st.App(SCRIPT)
        await self._running.enter_async_context(app.lifespan()(app))
        return app

    def _introduced(self, scope: Scope, connection: HTTPConnection) -> Scope:
        """With what the pages must know in headers that nobody else can set."""
        told = {API_HEADER: self._api_url or _own_address(scope), SESSION_HEADER: door.session_of(connection) or ""}
        kept = [(name, value) for name, value in scope["headers"] if name.decode("latin-1") not in told]
        ours = [(name.encode(), value.encode("latin-1", "replace")) for name, value in told.items()]
        return {**scope, "headers": [*kept, *ours]}


def _load_streamlit() -> None:
    """In a thread: it takes a third of a second."""
    with _loggers_of_others():
        import streamlit as st
        from streamlit import config

        from conversation_engine.entrypoints.ui.look import options

        for name, value in options().items():
            config.set_option(name, value)
        _ = st.App


@contextlib.contextmanager
def _loggers_of_others() -> Iterator[None]:
    """Streamlit makes the web server log every request, with a handler of its own: leave that as it was."""
    loggers = [logging.getLogger(name) for name in ("uvicorn", "uvicorn.access", "uvicorn.error", "websockets")]
    known = [(logger, logger.level, logger.propagate, list(logger.handlers)) for logger in loggers]
    yield
    for logger, level, propagate, handlers in known:
        logger.setLevel(level)
        logger.propagate = propagate
        logger.handlers = handlers


def _own_address(scope: Scope) -> str:
    host, port = scope.get("server") or ("127.0.0.1", 8000)
    scheme = "https" if scope.get("scheme") in ("https", "wss") else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _is_page(connection: HTTPConnection) -> bool:
    """Whether a browser wants a page rather than a part of one."""
    headers = Headers(scope=connection.scope)
    is_get = connection.scope["type"] == "http" and connection.scope["method"] in ("GET", "HEAD")
    return is_get and "text/html" in headers.get("accept", "")


def _prolonging(send: Send, connection: HTTPConnection) -> Send:
    """A sign-in lasts 30 days from its last use, so its cookie must too."""
    session = door.session_of(connection)
    carrier = Response()
    if session is not None:
        door.keep(carrier, connection, session)

    async def prolonging(message: Message) -> None:
        if message["type"] == "http.response.start":
            for cookie in carrier.headers.getlist("set-cookie"):
                MutableHeaders(scope=message).append("set-cookie", cookie)
        await send(message)

    return prolonging


def _protected(send: Send) -> Send:
    async def protected(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).setdefault("content-security-policy", CONTENT_POLICY)
        await send(message)

    return protected
