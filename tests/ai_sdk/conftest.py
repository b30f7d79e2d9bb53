"""One server for all tests of the AI SDK's door."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from conversation_engine.testing import ScriptedModel
from tests.serving import SharedServer, serving


@pytest.fixture(scope="session")
async def _server(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SharedServer]:
    async with serving(tmp_path_factory.mktemp("ai_sdk"), sqlite_template) as server:
        yield server


@pytest.fixture
def server(_server: SharedServer) -> SharedServer:
    """It forgets what a test before told its model."""
    _server.forget()
    return _server


@pytest.fixture
def model(server: SharedServer) -> ScriptedModel:
    """The model behind it."""
    return server.model


@pytest.fixture
async def http(server: SharedServer) -> AsyncIterator[httpx2.AsyncClient]:
    """Ada's plain client."""
    headers = {"Authorization": f"Bearer {server.token('ada')}"}
    async with httpx2.AsyncClient(base_url=server.url, headers=headers, timeout=20, trust_env=False) as client:
        yield client
