"""`/v1/conversations` through the official SDK."""

import asyncio
from typing import Any

import httpx2
import openai
import pytest

from conversation_engine.testing import ScriptedModel

MODEL = "scripted/test"
THREE: Any = [{"role": "user" if n % 2 else "assistant", "content": f"number {n}"} for n in (1, 2, 3)]


async def texts_of(sdk: openai.AsyncOpenAI, conversation_id: str, **options: Any) -> list[str]:
    items = [item async for item in sdk.conversations.items.list(conversation_id, **options)]
    return [item.content[0].text for item in items]  # type: ignore[union-attr]


class TestConversations:
    async def test_one_lives_and_dies(self, sdk: openai.AsyncOpenAI) -> None:
        made = await sdk.conversations.create(metadata={"topic": "sea"}, items=THREE)
        assert (made.object, made.metadata, made.id[:5]) == ("conversation", {"topic": "sea"}, "conv_")
        assert await sdk.conversations.retrieve(made.id) == made
        changed = await sdk.conversations.update(made.id, metadata={"topic": "lake"})
        assert changed.metadata == {"topic": "lake"}
        deleted = await sdk.conversations.delete(made.id)
        assert (deleted.id, deleted.deleted, deleted.object) == (made.id, True, "conversation.deleted")
        with pytest.raises(openai.NotFoundError):
            await sdk.conversations.retrieve(made.id)

    async def test_a_blocking_client_is_served_too(self, blocking: openai.OpenAI) -> None:
        def talk() -> tuple[str, list[str]]:
            made = blocking.conversations.create()
            response = blocking.responses.create(model=MODEL, input="Hello", conversation=made.id)
            items = blocking.conversations.items.list(made.id, order="asc")
            return response.output_text, [item.content[0].text for item in items]  # type: ignore[union-attr]

        assert await asyncio.to_thread(talk) == ("Hello", ["Hello", "Hello"])

    async def test_they_are_listed_newest_first(self, sdk: openai.AsyncOpenAI, http: httpx2.AsyncClient) -> None:
        made = [(await sdk.conversations.create()).id for _ in range(3)]
        first = (await http.get("/v1/conversations", params={"limit": 2})).json()
        assert [one["id"] for one in first["data"]] == [made[2], made[1]]
        assert (first["first_id"], first["last_id"], first["has_more"]) == (made[2], made[1], True)
        rest = (await http.get("/v1/conversations", params={"limit": 1, "after": made[1]})).json()
        assert [one["id"] for one in rest["data"]] == [made[0]]

    async def test_metadata_of_the_other_routes_are_shown_as_texts(
        self, sdk: openai.AsyncOpenAI, http: httpx2.AsyncClient
    ) -> None:
        made = (await http.post("/conversations", json={"metadata": {"a": {"b": 1}, "c": "d"}})).json()["id"]
        assert (await sdk.conversations.retrieve(made)).metadata == {"a": '{"b": 1}', "c": "d"}

    async def test_the_same_key_makes_one(self, sdk: openai.AsyncOpenAI) -> None:
        key = {"Idempotency-Key": "conversation-1"}
        made = [await sdk.conversations.create(items=THREE, extra_headers=key) for _ in range(2)]
        assert made[0] == made[1]
        assert len(await texts_of(sdk, made[0].id)) == 3


class TestItems:
    async def test_they_are_paged_in_either_order(self, sdk: openai.AsyncOpenAI) -> None:
        made = await sdk.conversations.create(items=THREE)
        assert await texts_of(sdk, made.id) == ["number 3", "number 2", "number 1"]
        assert await texts_of(sdk, made.id, order="asc", limit=1) == ["number 1", "number 2", "number 3"]
        page = await sdk.conversations.items.list(made.id, order="asc", limit=2)
        assert (page.has_more, page.last_id) == (True, page.data[-1].id)
        rest = await sdk.conversations.items.list(made.id, order="asc", after=page.last_id)
        assert [item.content[0].text for item in rest.data] == ["number 3"]  # type: ignore[union-attr]
        assert not rest.has_more

    async def test_one_is_added_and_found(self, sdk: openai.AsyncOpenAI, model: ScriptedModel) -> None:
        made = await sdk.conversations.create(items=THREE)
        key = {"Idempotency-Key": "items-1"}
        more: Any = [{"role": "developer", "content": "Rhyme."}, {"role": "user", "content": "number 4"}]
        added = [await sdk.conversations.items.create(made.id, items=more, extra_headers=key) for _ in range(2)]
        assert added[0].data == added[1].data
        item: Any = await sdk.conversations.items.retrieve(added[0].data[1].id or "", conversation_id=made.id)
        assert (item.role, item.status, item.content[0].text) == ("user", "completed", "number 4")
        await sdk.responses.create(model=MODEL, conversation=made.id, input="Go on.")
        said = [one.content for one in model.requests[0].messages]
        assert said == ["number 1", "number 2", "number 3", "Rhyme.", "number 4", "Go on."]

    async def test_one_is_taken_out_and_the_others_stay(self, sdk: openai.AsyncOpenAI, model: ScriptedModel) -> None:
        made = await sdk.conversations.create(items=THREE)
        items = [item async for item in sdk.conversations.items.list(made.id, order="asc")]
        left = await sdk.conversations.items.delete(items[1].id or "", conversation_id=made.id)
        assert left.id == made.id
        assert await texts_of(sdk, made.id, order="asc") == ["number 1", "number 3"]
        await sdk.conversations.items.delete(items[2].id or "", conversation_id=made.id)
        await sdk.responses.create(model=MODEL, conversation=made.id, input="Go on.")
        assert [one.content for one in model.requests[0].messages] == ["number 1", "Go on."]
        with pytest.raises(openai.NotFoundError):
            await sdk.conversations.items.delete(items[1].id or "", conversation_id=made.id)

    @pytest.mark.parametrize(
        ("body", "param"),
        [
            ({"items": []}, "items"),
            ({"items": THREE * 7}, "items"),
            ({"items": [{"type": "mcp_call"}]}, "items[0].type"),
            ({"items": [{"role": "user", "content": "x"}], "wings": 2}, "wings"),
        ],
        ids=["none", "many", "kind", "field"],
    )
    async def test_what_makes_no_sense_is_named(
        self, sdk: openai.AsyncOpenAI, http: httpx2.AsyncClient, body: Any, param: str
    ) -> None:
        made = await sdk.conversations.create()
        response = await http.post(f"/v1/conversations/{made.id}/items", json=body)
        assert (response.status_code, response.json()["error"]["param"]) == (400, param)
        assert await texts_of(sdk, made.id) == []
