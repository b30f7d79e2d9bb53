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
        turn = blocking.wait(client.turns.begin_at(f"/conversations/{conversation.id}/turns", {"content": "Again"}))
        looks = list(blocking.looks(client.turns.follow(conversation.id, turn.id), seconds=0.02))
        heard += [event.text for look in looks for event in look if isinstance(event, ReplyDelta)]
        with pytest.raises(NotFoundError):
            list(blocking.looks(client.turns.follow(MISSING_ID, MISSING_ID), seconds=0.02))
        with pytest.raises(NotFoundError):
            blocking.wait(client.conversations.get(MISSING_ID))
        heard.append("end")


async def test_it_waits_and_iterates_and_raises(server: SharedServer) -> None:
    heard: list[str] = []
    await asyncio.to_thread(talk, server, heard)
    assert heard == ["Hello", "Again", "end"]
    assert "conversation-engine-client" not in {thread.name for thread in threading.enumerate()}
