"""The service on a socket, in a thread of its own: pages are synchronous and run in the test's thread."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
import uvicorn
from pydantic import SecretStr

from conversation_engine.engine.settings import Settings
from conversation_engine.engine.wiring import make_tokens
from conversation_engine.entrypoints.http.app import create_app
from conversation_engine.entrypoints.ui.api import Api, Line
from conversation_engine.kernel.clock import SystemClock
from conversation_engine.kernel.ids import UserId
from conversation_engine.kernel.people import Principal, Role
from conversation_engine.testing import ScriptedModel
from tests.conftest import SECRET


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """A running service, its model, and a key to every door."""

    base_url: str
    model: ScriptedModel
    settings: Settings
    http: httpx2.Client
    line: Line

    def link_of(self, name: str, role: Role = Role.STUDENT) -> str:
        """The code of a one-time link for somebody."""
        principal = Principal(user_id=UserId(name), role=role)
        return make_tokens(self.settings, SystemClock()).issue_link(principal, lifetime=timedelta(minutes=1))

    def api_of(self, name: str, role: Role = Role.STUDENT) -> Api:
        """What a page of theirs would have."""
        body = {"code": self.link_of(name, role), "stay": True}
        signed_in = self.http.post(f"{self.base_url}/auth/link", json=body).json()
        return Api(self.line, base_url=self.base_url, session=signed_in["refresh_token"])


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[House]:
    """One for all tests of a file: each uses people of its own."""
    folder = tmp_path_factory.mktemp("house")
    settings = Settings(
        data_dir=folder,
        database_url=SecretStr(f"sqlite:///{folder / 'house.db'}"),
        model="scripted/test",
        embedding_model="none",
        secret=SecretStr(SECRET),
        rate_limits="messages teacher 3/day",
        retry_count=0,
        fallback_reply="",
        grace_seconds=0.1,
    )
    (folder / "house.db").write_bytes(sqlite_template.read_bytes())
    model = ScriptedModel()
    listener = socket.create_server(("127.0.0.1", 0))
    app = create_app(settings, providers={"scripted": model})
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="none", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=asyncio.run, args=(server.serve(sockets=[listener]),))
    thread.start()
    with httpx2.Client(trust_env=False, verify=False) as http, Line() as line:
        base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        yield House(base_url=base_url, model=model, settings=settings, http=http, line=line)
    server.should_exit = True
    thread.join(20)
    listener.close()


@pytest.fixture
def ada(house: House, request: pytest.FixtureRequest) -> Api:
    """A student who is new here: each test has her to itself."""
    return house.api_of(f"ada-{request.node.name}"[:200])
