"""What has no method of its own yet."""

import pytest

from conversation_engine.client import NotFoundError, UnreachableError
from conversation_engine.testing import Say
from tests.client.conftest import HASTE
from tests.client.scenes import wire_to
from tests.http.scenes import MISSING_ID
from tests.serving import SharedServer

NOTE = ("note.md", b"# Tides\n\nThe moon pulls.", "text/markdown")


async def test_everything_can_be_asked(server: SharedServer) -> None:
    async with server.client("ada", patience=HASTE) as client:
        asked = client.requests
        made = await asked.post("/conversations", {"title": "Tides"})
        path = f"/conversations/{made['id']}"
        assert (await asked.patch(path, {"title": "Ebb"}))["title"] == "Ebb"
        assert (await asked.get("/conversations", limit=1, cursor=None))["items"][0]["title"] == "Ebb"
        assert (await asked.put(f"{path}/collections", {"collection_ids": []}))["collection_ids"] == []
        assert b"Ebb" in await asked.download(f"{path}/export", format="markdown")
        assert await asked.delete(path) is None  # type: ignore[func-returns-value]
        with pytest.raises(NotFoundError):
            await asked.get(f"/conversations/{MISSING_ID}")


async def test_files_are_sent_once(server: SharedServer) -> None:
    async with server.client("ada", patience=HASTE) as client:
        [document] = (await client.requests.upload("/documents", [NOTE], {}))["documents"]
        assert document["name"] == "note.md"
        report = await client.requests.send("/account/import", b'{"conversations": []}')
        assert report["conversations_added"] == 0
    async with wire_to(server.port, 40) as wire, server.client("ada", patience=HASTE) as client:
        client.requests._connection._http.base_url = wire.url
        with pytest.raises(UnreachableError):
            await client.requests.upload("/documents", [NOTE], {})
        assert wire.connections == 1


async def test_a_turn_begins_anywhere_and_goes_on_alone(server: SharedServer) -> None:
    server.model.then(Say("Yes."))
    async with server.client("ada", patience=HASTE) as client:
        conversation = await client.conversations.create()
        turn = await client.turns.begin_at(f"/conversations/{conversation.id}/turns", {"content": "Well?"}, key="one")
        again = await client.turns.begin_at(f"/conversations/{conversation.id}/turns", {"content": "Well?"}, key="one")
        assert again.id == turn.id
        async for _ in client.turns.follow(conversation.id, turn.id):
            pass
        assert (await client.turns.get(conversation.id, turn.id)).text == "Yes."
