"""Editing history over HTTP."""

import asyncio
from typing import Any

import httpx2
import pytest

from conversation_engine.testing import Pause, Say, ScriptedModel
from tests.http.scenes import (
    EVENT_STREAM,
    MISSING_ID,
    conversation_of,
    events_in,
    new_conversation,
    problem_in,
    text_of,
)


async def talk_of_one_turn(client: httpx2.AsyncClient) -> tuple[str, dict[str, Any]]:
    """The address of a conversation in which a question was answered, and that turn."""
    address = f"/conversations/{(await new_conversation(client, title='Tides'))['id']}"
    turn = await client.post(f"{address}/turns", json={"content": "Q"})
    assert turn.status_code == 201
    return address, turn.json()


async def path_of(client: httpx2.AsyncClient, address: str) -> list[Any]:
    response = await client.get(f"{address}/path")
    assert response.status_code == 200
    return [message["content"] for message in response.json()["items"]]


@pytest.mark.parametrize("slash", ["", "/"])
class TestWithAndWithoutATrailingSlash:
    async def test_a_tree_is_grown_and_pruned(self, ada: httpx2.AsyncClient, model: ScriptedModel, slash: str) -> None:
        for answer in ("A", "B", "C"):
            model.then(Say(answer))
        address, turn = await talk_of_one_turn(ada)
        question, reply = (f"{address}/messages/{turn[name]}" for name in ("user_message_id", "reply_message_id"))

        regenerated = await ada.post(f"{reply}/regenerate{slash}")
        assert regenerated.status_code == 201
        assert regenerated.json()["message"]["parent_id"] == turn["user_message_id"]
        assert regenerated.headers["location"] == f"{address}/turns/{regenerated.json()['id']}"
        assert await path_of(ada, address) == ["Q", "B"]

        edited = await ada.post(f"{question}/edit{slash}", json={"content": "Qb", "message_metadata": {"why": "typo"}})
        assert edited.status_code == 201
        assert await path_of(ada, address) == ["Qb", "C"]
        siblings = (await ada.get(f"{question}/siblings{slash}")).json()["items"]
        assert [(one["content"], one["parent_id"]) for one in siblings] == [("Q", None), ("Qb", None)]
        assert siblings[1]["metadata"] == {"why": "typo"}

        chosen = await ada.post(f"{reply}/choose{slash}")
        assert chosen.status_code == 200
        assert chosen.json()["active_leaf_id"] == turn["reply_message_id"]
        assert (await ada.get(f"{address}/path{slash}?newest_first=true&limit=1")).json()["items"][0]["content"] == "A"
        listed = (await ada.get(f"{address}/messages")).json()["items"]
        assert [one["content"] for one in listed] == ["Q", "A", "B", "Qb", "C"]

        forked = await ada.post(f"{reply}/fork{slash}")
        assert (forked.status_code, forked.json()["message_count"]) == (201, 2)
        assert forked.json()["metadata"]["forked_from"]["message_id"] == turn["reply_message_id"]
        assert await path_of(ada, f"/conversations/{forked.json()['id']}") == ["Q", "A"]

        removed = await ada.delete(f"{question}{slash}")
        assert (removed.status_code, removed.json()) == (200, {"removed": 3})
        assert (await conversation_of(ada, turn["conversation_id"]))["message_count"] == 2


class TestStreams:
    async def test_an_edit_and_a_regeneration_stream_like_a_turn(
        self, ada: httpx2.AsyncClient, model: ScriptedModel
    ) -> None:
        address, turn = await talk_of_one_turn(ada)
        for verb, body in (("edit", {"content": "Again"}), ("regenerate", None), ("regenerate", {"temperature": 0.5})):
            model.then(Say("Sure. "), Say(verb))
            url = f"{address}/messages/{turn['user_message_id']}/{verb}"
            async with ada.stream("POST", url, json=body, headers=EVENT_STREAM) as response:
                assert response.status_code == 200
                events = [event async for event in events_in(response)]
            assert text_of(events) == f"Sure. {verb}"
            assert (events[0].name, events[-1].name) == ("turn.started", "turn.completed")
        assert model.requests[-1].sampling.temperature == 0.5


class TestRefusals:
    @pytest.mark.parametrize(
        ("method", "end"),
        [
            ("POST", "/edit"),
            ("POST", "/regenerate"),
            ("POST", "/choose"),
            ("POST", "/fork"),
            ("GET", "/siblings"),
            ("DELETE", ""),
        ],
    )
    async def test_a_message_that_is_not_there_is_not_found(
        self, ada: httpx2.AsyncClient, method: str, end: str
    ) -> None:
        address, _ = await talk_of_one_turn(ada)
        _, elsewhere = await talk_of_one_turn(ada)
        body = {"content": "Mine"} if end == "/edit" else None
        for message_id in (MISSING_ID, elsewhere["user_message_id"]):
            response = await ada.request(method, f"{address}/messages/{message_id}{end}", json=body)
            assert (response.status_code, problem_in(response)["code"]) == (404, "message_not_found")
        response = await ada.request(method, f"{address}/messages/x{end}", json=body)
        assert (response.status_code, problem_in(response)["code"]) == (422, "invalid_id")
        assert await path_of(ada, address) == ["Q", "Q"]

    async def test_a_reply_cannot_be_edited(self, ada: httpx2.AsyncClient) -> None:
        address, turn = await talk_of_one_turn(ada)
        response = await ada.post(f"{address}/messages/{turn['reply_message_id']}/edit", json={"content": "Mine"})
        assert (response.status_code, problem_in(response)["code"]) == (409, "message_not_editable")

    async def test_a_greeting_cannot_be_regenerated(self, ada: httpx2.AsyncClient) -> None:
        address = f"/conversations/{(await new_conversation(ada))['id']}"
        greeting = (await ada.post(f"{address}/messages", json={"role": "assistant", "content": "Hi"})).json()
        response = await ada.post(f"{address}/messages/{greeting['id']}/regenerate")
        assert (response.status_code, problem_in(response)["code"]) == (409, "nothing_to_regenerate")

    async def test_what_is_being_answered_can_be_neither_edited_nor_deleted(
        self, ada: httpx2.AsyncClient, model: ScriptedModel
    ) -> None:
        address, turn = await talk_of_one_turn(ada)
        model.then(Pause(1.5), Say("Slow"))
        message = f"{address}/messages/{turn['user_message_id']}"
        running = asyncio.create_task(ada.post(f"{address}/turns", json={"content": "R"}))
        while (await conversation_of(ada, turn["conversation_id"]))["message_count"] < 3:
            await asyncio.sleep(0.01)
        refused = [
            await ada.post(f"{message}/edit", json={"content": "S"}),
            await ada.post(f"{message}/regenerate"),
            await ada.delete(message),
        ]
        assert [(one.status_code, problem_in(one)["code"]) for one in refused] == [(409, "turn_in_progress")] * 3
        await running
        assert await path_of(ada, address) == ["Q", "Q", "R", "Slow"]

    @pytest.mark.parametrize("body", [None, {}, {"content": ""}, {"content": "x", "parent_id": MISSING_ID}])
    async def test_an_edit_says_something(self, ada: httpx2.AsyncClient, body: Any) -> None:
        address, turn = await talk_of_one_turn(ada)
        response = await ada.post(f"{address}/messages/{turn['user_message_id']}/edit", json=body)
        assert response.status_code == 422
        assert await path_of(ada, address) == ["Q", "Q"]
