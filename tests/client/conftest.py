"""One server for all tests of the client, and Ada's client of it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from conversation_engine.client import Client, Conversation, Patience
from tests.serving import SharedServer, serving


@pytest.fixture(scope="session")
async def _server(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SharedServer]:
    async with serving(tmp_path_factory.mktemp("client"), sqlite_template) as server:
        yield server


@pytest.fixture
def server(_server: SharedServer) -> SharedServer:
    """It forgets what a test before told its model."""
    _server.forget()
    return _server


HASTE = Patience(first_pause_seconds=0, tries=4)
"""Tests do not sleep."""


@pytest.fixture
async def client(server: SharedServer) -> AsyncIterator[Client]:
    """Ada's."""
    async with server.client("ada", patience=HASTE) as client:
        yield client


@pytest.fixture
async def conversation(client: Client) -> Conversation:
    """One of Ada's, with nothing said in it."""
    return await client.conversations.create(title="Tides")
