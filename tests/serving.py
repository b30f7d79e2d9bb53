"""A server on a real socket that many tests share, and people who call it."""

import asyncio
import contextlib
import shutil
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from fastapi import FastAPI
from pydantic import SecretStr

from conversation_engine.client import Client
from conversation_engine.engine.settings import Settings
from conversation_engine.engine.wiring import make_tokens
from conversation_engine.entrypoints.http.app import create_app
from conversation_engine.kernel.clock import SystemClock
from conversation_engine.kernel.ids import UserId
from conversation_engine.kernel.people import Principal, Role
from conversation_engine.testing import ScriptedModel
from tests.conftest import SECRET, until


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedServer:
    """A server, and the model behind it."""

    app: FastAPI
    url: str
    settings: Settings
    model: ScriptedModel

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def token(self, name: str, role: Role = Role.STUDENT) -> str:
        """A token that says who somebody is."""
        tokens = make_tokens(self.settings, SystemClock())
        return tokens.issue(Principal(user_id=UserId(name), role=role), lifetime=timedelta(hours=1))

    @contextlib.asynccontextmanager
    async def client(self, name: str, **options: Any) -> AsyncIterator[Client]:
        """Somebody's. There is no TLS here, and certificates take 30 ms to load."""
        async with httpx2.AsyncClient(verify=False, trust_env=False) as http:
            yield Client(self.url, token=self.token(name), http=http, **options)

    def forget(self) -> None:
        """The model has nothing to say but an echo, and was never asked."""
        self.model._scripts.clear()
        self.model.requests.clear()
        self.model.closed = 0


@contextlib.asynccontextmanager
async def serving(folder: Path, template: Path, **changes: Any) -> AsyncIterator[SharedServer]:
    """A server over SQLite in `folder`, on a port of its own."""
    shutil.copy(template, folder / "test.db")
    settings = Settings(
        data_dir=folder,
        database_url=SecretStr(f"sqlite:///{folder / 'test.db'}"),
        model="scripted/test",
        embedding_model="none",
        secret=SecretStr(SECRET),
        grace_seconds=0.2,
        rate_limits="off",
        retry_count=0,
        fallback_reply="",
        **changes,
    )
    model = ScriptedModel()
    app = create_app(settings, providers={"scripted": model})
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="none", timeout_graceful_shutdown=2))
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await until(lambda: server.started)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        yield SharedServer(app=app, url=url, settings=settings, model=model)
    finally:
        server.should_exit = True
        await running
