"""`POST /query`: a question in a session, understood and answered."""

import asyncio
from typing import Any

import httpx2
import pytest

from conversation_engine.domains.llm.errors import OverloadedError
from conversation_engine.testing import Fail, Say, ScriptedModel
from tests.http.scenes import EVENT_STREAM, MISSING_ID, Event, conversation_of, events_in, text_of


async def asked(client: httpx2.AsyncClient, query: str, **body: Any) -> dict[str, Any]:
    response = await client.post("/query", json={"query": query, **body})
    assert response.status_code == 201, response.text
    answered: dict[str, Any] = response.json()
    return answered


async def streamed(client: httpx2.AsyncClient, body: Any, **headers: str) -> list[Event]:
    async with client.stream("POST", "/query", json=body, headers={**EVENT_STREAM, **headers}) as response:
        assert response.status_code == 200
        return [event async for event in events_in(response)]


class TestSessions:
    async def test_the_first_question_begins_one_and_the_next_goes_on_with_it(
        self, ada: httpx2.AsyncClient, model: ScriptedModel
    ) -> None:
        model.then(Say("A broad volcano."))
        first = await asked(ada, "What is a shield volcano?", conversation_type="geology")
        assert first["answer"] == "A broad volcano."
        assert first["enhanced_query"] == "What is a shield volcano?"
        assert not first["follow_up"]["is_follow_up"]
        second = await asked(ada, "Where are they found?", session_id=first["session_id"])
        assert second["session_id"] == first["session_id"]
        assert second["query"] == "Where are they found?"
        assert second["follow_up"]["is_follow_up"]
        assert second["follow_up"]["leans_on"] in (1, 2)
        assert "volcano" in second["enhanced_query"]
        assert "volcano" in second["follow_up"]["previous_topic"]
        conversation = await conversation_of(ada, first["session_id"])
        assert conversation["conversation_type"] == "geology"
        assert [message["role"] for message in conversation["messages"]] == ["user", "assistant"] * 2

    async def test_what_is_stored_and_shown_is_what_was_said_with_its_meaning_beside_it(
        self, ada: httpx2.AsyncClient, model: ScriptedModel
    ) -> None:
        first = await asked(ada, "What is a shield volcano?")
        second = await asked(
            ada, "Where are they found?", session_id=first["session_id"], message_metadata={"channel": "web"}
        )
        stored = (await conversation_of(ada, first["session_id"]))["messages"][2]
        assert stored["content"] == "Where are they found?"
        assert stored["metadata"]["channel"] == "web"
        assert stored["metadata"]["understanding"] == {
            **second["follow_up"],
            "standalone": second["enhanced_query"],
            "intent": second["intent"],
        }
        assert model.requests[-1].messages[-1].content == "Where are they found?"

    async def test_an_intent_is_one_of_the_configured_labels(self, ada: httpx2.AsyncClient) -> None:
        assert (await asked(ada, "Why is the sky blue?"))["intent"] == "explanation"

    async def test_the_path_may_end_with_a_slash(self, ada: httpx2.AsyncClient) -> None:
        assert (await ada.post("/query/", json={"query": "Hello"})).status_code == 201


class TestRefusals:
    async def test_nobody_asks_without_a_token(self, stranger: httpx2.AsyncClient) -> None:
        assert (await stranger.post("/query", json={"query": "Hello"})).status_code == 401

    async def test_another_persons_session_and_unknown_ones(
        self, ada: httpx2.AsyncClient, bob: httpx2.AsyncClient
    ) -> None:
        session_id = (await asked(ada, "What is bebop?"))["session_id"]
        for client, wanted, status, code in (
            (bob, session_id, 403, "conversation_forbidden"),
            (ada, MISSING_ID, 404, "conversation_not_found"),
            (ada, "no-id", 422, "invalid_id"),
        ):
            refused = await client.post("/query", json={"query": "Who invented it?", "session_id": wanted})
            assert (refused.status_code, refused.json()["code"]) == (status, code)

    @pytest.mark.parametrize("body", [{}, {"query": ""}, {"query": "hi", "nonsense": 1}, {"query": {"a": 1}}])
    async def test_what_is_no_question_is_refused_and_begins_no_session(
        self, ada: httpx2.AsyncClient, body: dict[str, Any]
    ) -> None:
        assert (await ada.post("/query", json=body)).status_code == 422
        assert (await ada.get("/conversations")).json()["items"] == []

    async def test_an_unknown_model_begins_no_session(self, ada: httpx2.AsyncClient) -> None:
        refused = await ada.post("/query", json={"query": "hi", "model": "nobody/nothing"})
        assert refused.status_code >= 400
        assert (await ada.get("/conversations")).json()["items"] == []

    async def test_a_session_that_has_ended_takes_no_question(self, ada: httpx2.AsyncClient) -> None:
        session_id = (await asked(ada, "What is bebop?"))["session_id"]
        await ada.post(f"/conversations/{session_id}/end")
        refused = await ada.post("/query", json={"query": "Who invented it?", "session_id": session_id})
        assert (refused.status_code, refused.json()["code"]) == (409, "conversation_not_active")


class TestOnce:
    async def test_a_repetition_is_the_same_session_turn_and_meaning(
        self, ada: httpx2.AsyncClient, model: ScriptedModel
    ) -> None:
        body, key = {"query": "What is bebop?"}, {"Idempotency-Key": "q-1"}
        first = (await ada.post("/query", json=body, headers=key)).json()
        assert (await ada.post("/query", json=body, headers=key)).json() == first
        assert len(model.requests) == 1
        assert len((await ada.get("/conversations")).json()["items"]) == 1

    async def test_it_tells_the_meaning_of_the_first_time(self, ada: httpx2.AsyncClient) -> None:
        session_id = (await asked(ada, "What is a shield volcano?"))["session_id"]
        body, key = {"query": "Where are they found?", "session_id": session_id}, {"Idempotency-Key": "q-2"}
        first = (await ada.post("/query", json=body, headers=key)).json()
        await asked(ada, "What is a good recipe for sourdough bread?", session_id=session_id)
        assert (await ada.post("/query", json=body, headers=key)).json() == first

    async def test_racing_duplicates_are_one_session(self, ada: httpx2.AsyncClient, model: ScriptedModel) -> None:
        body, key = {"query": "What is bebop?"}, {"Idempotency-Key": "q-3"}
        answers = await asyncio.gather(*(ada.post("/query", json=body, headers=key) for _ in range(8)))
        assert len({answer.json()["turn"]["id"] for answer in answers}) == 1
        assert len((await ada.get("/conversations")).json()["items"]) == 1
        assert len(model.requests) == 1

    async def test_another_question_with_the_same_key_is_refused(self, ada: httpx2.AsyncClient) -> None:
        key = {"Idempotency-Key": "q-4"}
        await ada.post("/query", json={"query": "one"}, headers=key)
        refused = await ada.post("/query", json={"query": "two"}, headers=key)
        assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")


class TestStream:
    async def test_it_begins_with_the_meaning_and_goes_on_as_a_turns(
        self, ada: httpx2.AsyncClient, model: ScriptedModel
    ) -> None:
        model.then(Say("A style "), Say("of jazz."))
        events = await streamed(ada, {"query": "What is bebop?"})
        assert [events[0].name, events[1].name, events[-1].name] == [
            "query.understood",
            "turn.started",
            "turn.completed",
        ]
        assert events[0].id is None
        assert events[0].data["session_id"] == events[1].data["conversation_id"]
        assert events[0].data["follow_up"]["is_follow_up"] is False
        assert text_of(events) == "A style of jazz."

    async def test_a_repetition_resumes_where_it_was_left(self, ada: httpx2.AsyncClient) -> None:
        body, key = {"query": "What is bebop?"}, {"Idempotency-Key": "q-5"}
        whole = await streamed(ada, body, **key)
        rest = await streamed(ada, body, **key, **{"Last-Event-ID": "3"})
        assert rest[0].data == whole[0].data
        assert text_of(rest) == text_of(whole)[3:]

    async def test_a_model_that_fails_is_told_as_for_any_turn(
        self, ada: httpx2.AsyncClient, model: ScriptedModel
    ) -> None:
        model.then(Say("Half an"), Fail(OverloadedError("busy")))
        answered = await asked(ada, "What is bebop?")
        assert answered["turn"]["state"] == "failed"
        assert answered["answer"] == "Half an"


class TestTopics:
    async def test_a_conversation_says_what_its_stretches_are_about(
        self, ada: httpx2.AsyncClient, model: ScriptedModel
    ) -> None:
        for reply in ("Chess came from India.", "Through Persia.", "Mix rye flour and water."):
            model.then(Say(reply))
        first = await asked(ada, "Who invented the game of chess?")
        session_id = first["session_id"]
        await asked(ada, "How did it reach Europe?", session_id=session_id)
        await asked(ada, "What is a good recipe for sourdough bread with rye?", session_id=session_id)
        found = (await ada.get(f"/conversations/{session_id}/topics")).json()
        assert [(part["first"], part["last"]) for part in found["segments"]] == [(1, 4), (5, 6)]
        assert "chess" in found["topic"]
        assert "sourdough" in found["segments"][1]["topic"]

    async def test_nothing_said_has_none(self, ada: httpx2.AsyncClient) -> None:
        session_id = (await ada.post("/conversations", json={})).json()["id"]
        found = (await ada.get(f"/conversations/{session_id}/topics")).json()
        assert found == {"topic": None, "segments": []}
