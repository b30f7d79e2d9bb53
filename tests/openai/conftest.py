"""One server on a real socket for all tests of the dialect, and the official SDK, unmodified, as its client."""

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx2
import openai
import pytest
import uvicorn
from fastapi import FastAPI
from pydantic import SecretStr

from conversation_engine.domains.llm.types import TokenUsage
from conversation_engine.engine.settings import Settings
from conversation_engine.engine.wiring import make_tokens
from conversation_engine.entrypoints.http.app import create_app
from conversation_engine.kernel.clock import SystemClock
from conversation_engine.kernel.ids import UserId
from conversation_engine.kernel.people import Principal, Role
from conversation_engine.testing import ScriptedModel
from tests.conftest import SECRET, until

USED = TokenUsage(input_tokens=11, cached_tokens=3, output_tokens=5, reasoning_tokens=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A server, and the models behind it."""

    app: FastAPI
    url: str
    settings: Settings
    model: ScriptedModel
    short: ScriptedModel

    def token(self, name: str, role: Role = Role.STUDENT) -> str:
        """A token that says who somebody is."""
        tokens = make_tokens(self.settings, SystemClock())
        return tokens.issue(Principal(user_id=UserId(name), role=role), lifetime=timedelta(hours=1))

    def sdk(self, name: str = "ada") -> openai.AsyncOpenAI:
        """The official client, told an address and a key and nothing else."""
        return openai.AsyncOpenAI(base_url=f"{self.url}/v1", api_key=self.token(name), max_retries=0)


@pytest.fixture(scope="session")
async def _served(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    folder = tmp_path_factory.mktemp("dialect")
    shutil.copy(sqlite_template, folder / "test.db")
    settings = Settings(
        data_dir=folder,
        database_url=SecretStr(f"sqlite:///{folder / 'test.db'}"),
        model="scripted/test",
        embedding_model="local",
        secret=SecretStr(SECRET),
        grace_seconds=0.2,
        rate_limits="off",
        retry_count=0,
        fallback_reply="",
    )
    model, short = ScriptedModel(usage=USED), ScriptedModel(finish_reason="length")
    app = create_app(settings, providers={"scripted": model, "short": short})
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="none", timeout_graceful_shutdown=2))
    running = asyncio.create_task(server.serve(sockets=[listener]))
    await until(lambda: server.started)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    yield Served(app=app, url=url, settings=settings, model=model, short=short)
    server.should_exit = True
    await running


@pytest.fixture
def served(_served: Served) -> Served:
    """The server; its models have nothing to say yet but an echo."""
    for model in (_served.model, _served.short):
        model._scripts.clear()
        model.requests.clear()
        model.closed = 0
    return _served


@pytest.fixture
def model(served: Served) -> ScriptedModel:
    """The default model of the server."""
    return served.model


@pytest.fixture
async def sdk(served: Served) -> AsyncIterator[openai.AsyncOpenAI]:
    """Ada's client."""
    async with served.sdk() as client:
        yield client


@pytest.fixture
def blocking(served: Served) -> Iterator[openai.OpenAI]:
    """The same without `async`: to be used in a thread."""
    with openai.OpenAI(base_url=f"{served.url}/v1", api_key=served.token("ada"), max_retries=0) as client:
        yield client


@pytest.fixture
async def http(served: Served) -> AsyncIterator[httpx2.AsyncClient]:
    """Ada's plain client of the whole server."""
    headers = {"Authorization": f"Bearer {served.token('ada')}"}
    async with httpx2.AsyncClient(base_url=served.url, headers=headers, timeout=20, trust_env=False) as client:
        yield client
