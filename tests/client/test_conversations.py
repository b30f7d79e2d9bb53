"""Conversations through the client, at a real server."""

import asyncio
from decimal import Decimal

import pytest

from conversation_engine.client import Client, ConflictError, Conversation, ForbiddenError, NotFoundError
from tests.client.conftest import HASTE
from tests.http.scenes import MISSING_ID
from tests.serving import SharedServer


class TestLife:
    async def test_one_is_started_changed_ended_and_removed(self, client: Client) -> None:
        started = await client.conversations.create(
            title="Tides", conversation_type="lesson", system_prompt="Be brief.", metadata={"lesson": 3}
        )
        assert (started.title, started.conversation_type, started.system_prompt) == ("Tides", "lesson", "Be brief.")
        assert (started.metadata, started.total_cost, started.status) == ({"lesson": 3}, Decimal(0), "active")
        assert await client.conversations.get(started.id) == started
        assert (await client.conversations.change(started.id, title="Ebb")).title == "Ebb"
        assert (await client.conversations.end(started.id)).status == "completed"
        with pytest.raises(ConflictError) as refused:
            await client.conversations.add_message(started.id, "Too late")
        assert refused.value.code == "conversation_not_active"
        await client.conversations.delete(started.id)
        with pytest.raises(NotFoundError) as gone:
            await client.conversations.get(started.id)
        assert (gone.value.status, gone.value.code) == (404, "conversation_not_found")

    async def test_what_is_said_without_a_model_is_read_back(self, client: Client, conversation: Conversation) -> None:
        said = await client.conversations.add_message(conversation.id, {"a": [1]}, metadata={"from": "test"})
        page = await client.conversations.messages(conversation.id)
        assert page.items == [said]
        assert (said.content, said.metadata, said.sequence_number, said.role) == (
            {"a": [1]},
            {"from": "test"},
            1,
            "user",
        )

    async def test_strangers_are_refused(self, server: SharedServer, conversation: Conversation) -> None:
        async with Client(server.url, token=server.token("bob"), patience=HASTE) as bob:
            with pytest.raises(ForbiddenError):
                await bob.conversations.get(conversation.id)
            with pytest.raises(NotFoundError):
                await bob.conversations.get(MISSING_ID)


class TestListing:
    async def test_pages_lead_to_each_other(self, server: SharedServer) -> None:
        async with Client(server.url, token=server.token("pagina"), patience=HASTE) as client:
            made = [await client.conversations.create(title=str(number)) for number in range(5)]
            newest_first = [conversation.id for conversation in reversed(made)]
            first = await client.conversations.list(limit=3)
            second = await client.conversations.list(limit=3, cursor=first.next)
            assert [one.id for one in (*first.items, *second.items)] == newest_first
            assert (first.previous, second.next) == (None, None)
            assert [one.id async for one in client.conversations.each()] == newest_first


class TestKeys:
    async def test_the_same_key_does_a_thing_once(self, client: Client) -> None:
        first, again = await asyncio.gather(
            *(client.conversations.create(title="Once", key=f"once-{id(client)}") for _ in range(2))
        )
        assert first.id == again.id

    async def test_without_one_each_call_is_its_own(self, client: Client) -> None:
        first, again = [await client.conversations.create(title="Twice") for _ in range(2)]
        assert first.id != again.id
