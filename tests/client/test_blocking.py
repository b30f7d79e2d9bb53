"""The client for code that waits."""

import asyncio
import threading

import pytest

from conversation_engine.client import Blocking, Client, NotFoundError, ReplyDelta
from tests.client.conftest import HASTE
from tests.http.scenes import MISSING_ID
from tests.serving import SharedServer


def talk(server: SharedServer, heard: list[str]) -> None:
    client = Client(server.url, token=server.token("ada"), patience=HASTE)
    with Blocking(client) as blocking:
        conversation = blocking.wait(client.conversations.create())
        for event in blocking.each(client.turns.stream(conversation.id, "Hello")):
            if isinstance(event, ReplyDelta):
                heard.append(event.text)
        for _ in blocking.each(client.turns.stream(conversation.id, "Never mind")):
            break
        with pytest.raises(NotFoundError):
            blocking.wait(client.conversations.get(MISSING_ID))
        heard.append("end")


async def test_it_waits_and_iterates_and_raises(server: SharedServer) -> None:
    heard: list[str] = []
    await asyncio.to_thread(talk, server, heard)
    assert heard == ["Hello", "end"]
    assert "conversation-engine-client" not in {thread.name for thread in threading.enumerate()}
