"""The service in process and on a real socket, and people who call it."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from datetime import timedelta

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI
from uvicorn.config import HTTPProtocolType

from conversation_engine.engine.settings import Settings
from conversation_engine.engine.wiring import make_tokens
from conversation_engine.entrypoints.http.app import create_app
from conversation_engine.kernel.clock import SystemClock
from conversation_engine.kernel.ids import UserId
from conversation_engine.kernel.people import Principal, Role
from conversation_engine.testing import ScriptedModel
from tests.conftest import until
from tests.http.scenes import Serve, ServedApp


@pytest.fixture
def model() -> ScriptedModel:
    """The model that every app of the test talks to; without a script it echoes."""
    return ScriptedModel()


@pytest.fixture
async def app(settings: Settings, model: ScriptedModel) -> AsyncIterator[FastAPI]:
    """A running application, without a socket."""
    app = create_app(settings, providers={"scripted": model})
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
def token_of(settings: Settings) -> Callable[[str], str]:
    """A token that says who somebody is."""
    tokens = make_tokens(settings, SystemClock())
    return lambda name: tokens.issue(Principal(user_id=UserId(name), role=Role.STUDENT), lifetime=timedelta(hours=1))


async def _client(app: FastAPI, token: str | None) -> AsyncGenerator[httpx2.AsyncClient, None]:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://engine.test", headers=headers) as client:
        yield client


@pytest.fixture
async def ada(app: FastAPI, token_of: Callable[[str], str]) -> AsyncIterator[httpx2.AsyncClient]:
    """Ada at the door."""
    async for client in _client(app, token_of("ada")):
        yield client


@pytest.fixture
async def bob(app: FastAPI, token_of: Callable[[str], str]) -> AsyncIterator[httpx2.AsyncClient]:
    """Bob, who owns nothing."""
    async for client in _client(app, token_of("bob")):
        yield client


@pytest.fixture
async def admin(app: FastAPI, settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    """Somebody who keeps accounts."""
    root = Principal(user_id=UserId("root"), role=Role.ADMIN)
    token = make_tokens(settings, SystemClock()).issue(root, lifetime=timedelta(hours=1))
    async for client in _client(app, token):
        yield client


@pytest.fixture
async def stranger(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """Somebody without a token."""
    async for client in _client(app, None):
        yield client


@pytest.fixture
async def serve(model: ScriptedModel, token_of: Callable[[str], str]) -> AsyncIterator[Serve]:
    """Starts servers on real loopback sockets; Ada is signed in at each."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(settings: Settings, http: HTTPProtocolType = "auto") -> ServedApp:
            app = create_app(settings, providers={"scripted": model})
            return await stack.enter_async_context(_served(app, token_of("ada"), http=http))

        yield start


@contextlib.asynccontextmanager
async def _served(app: FastAPI, token: str, *, http: HTTPProtocolType) -> AsyncIterator[ServedApp]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, http=http, log_level="error", ws="none", timeout_graceful_shutdown=5))
    running = asyncio.create_task(server.serve(sockets=[listener]))
    base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        await until(lambda: server.started)
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx2.AsyncClient(base_url=base_url, headers=headers, timeout=20, trust_env=False) as client:
            yield ServedApp(app=app, server=server, client=client, token=token)
    finally:
        server.should_exit = True
        await running
