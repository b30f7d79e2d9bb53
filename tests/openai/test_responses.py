"""`/v1/responses` through the official SDK."""

import asyncio
import json
from typing import Any

import httpx2
import openai
import pytest

from conversation_engine.domains.llm.errors import OverloadedError
from conversation_engine.testing import Fail, Pause, Say, ScriptedModel
from tests.conftest import until
from tests.openai.conftest import Served

MODEL = "scripted/test"


async def events_of(http: httpx2.AsyncClient, response_id: str, **query: Any) -> list[dict[str, Any]]:
    """What a stream of a response holds, as it is on the wire."""
    params = {"stream": "true", **query}
    async with http.stream("GET", f"/v1/responses/{response_id}", params=params) as response:
        assert response.status_code == 200
        blocks = (await response.aread()).decode().split("\n\n")
    assert blocks[-2:] == ["data: [DONE]", ""]
    events = []
    for block in blocks[:-2]:
        name, data = block.split("\n")
        events.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {events[-1]['type']}"
    return events


def text_of(events: list[dict[str, Any]]) -> str:
    return "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")


class TestCreate:
    async def test_it_answers(self, sdk: openai.AsyncOpenAI, model: ScriptedModel) -> None:
        model.then(Say("Good "), Say("day."))
        response = await sdk.responses.create(
            model=MODEL,
            input="Hello",
            instructions="Be brief.",
            metadata={"topic": "greetings"},
            temperature=0.2,
            max_output_tokens=50,
        )
        assert (response.object, response.status, response.output_text) == ("response", "completed", "Good day.")
        assert (response.instructions, response.metadata) == ("Be brief.", {"topic": "greetings"})
        assert (response.temperature, response.max_output_tokens, response.truncation) == (0.2, 50, "auto")
        assert response.usage
        assert (response.usage.input_tokens, response.usage.output_tokens) == (11, 5)
        assert response.usage.input_tokens_details.cached_tokens == 3
        assert response.usage.output_tokens_details.reasoning_tokens == 2
        [item] = response.output
        assert item.type == "message"
        assert (item.role, item.status) == ("assistant", "completed")
        assert [tuple(one) for one in model.requests[0].messages] == [("system", "Be brief."), ("user", "Hello")]
        assert await sdk.responses.retrieve(response.id) == response

    async def test_items_are_said_in_order(self, sdk: openai.AsyncOpenAI, model: ScriptedModel) -> None:
        said: Any = [
            {"role": "developer", "content": "Rhyme."},
            {"role": "user", "content": [{"type": "input_text", "text": "One"}, {"type": "input_text", "text": "Two"}]},
            {
                "type": "message",
                "role": "assistant",
                "id": "msg_1",
                "content": [{"type": "output_text", "text": "Yes"}],
            },
            {"role": "user", "content": "Three"},
        ]
        response = await sdk.responses.create(model=MODEL, input=said)
        prompt = [("system", "Rhyme."), ("user", "One\nTwo"), ("assistant", "Yes"), ("user", "Three")]
        assert [tuple(one) for one in model.requests[0].messages] == prompt
        items = [item async for item in sdk.responses.input_items.list(response.id, order="asc")]
        assert [item.role for item in items] == ["system", "user", "assistant", "user"]  # type: ignore[union-attr]
        assert items[-1].content[0].text == "Three"  # type: ignore[union-attr]
        page = await sdk.responses.input_items.list(response.id, order="asc", limit=1, after=items[1].id or "")
        assert [item.id for item in page.data] == [items[2].id]
        assert page.has_more

    async def test_a_blocking_client_is_served_too(self, blocking: openai.OpenAI) -> None:
        def talk() -> tuple[str, str]:
            first = blocking.responses.create(model=MODEL, input="Hello")
            with blocking.responses.stream(model=MODEL, input="Again", previous_response_id=first.id) as stream:
                return first.output_text, stream.get_final_response().output_text

        assert await asyncio.to_thread(talk) == ("Hello", "Again")

    async def test_a_reply_that_was_cut_is_incomplete(self, sdk: openai.AsyncOpenAI) -> None:
        response = await sdk.responses.create(model="short/test", input="Hello")
        assert response.status == "incomplete"
        assert response.incomplete_details
        assert response.incomplete_details.reason == "max_output_tokens"

    async def test_one_that_failed_is_told_of_once(
        self, served: Served, http: httpx2.AsyncClient, model: ScriptedModel
    ) -> None:
        model.then(Fail(OverloadedError("HTTP 503")))
        client = openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key=served.token("ada"))  # it repeats 5xx
        async with client:
            response = await client.responses.create(model=MODEL, input="Hello")
        assert (response.status, response.output) == ("failed", [])
        assert response.error
        assert response.error.code == "model_overloaded"
        assert len(model.requests) == 1

    async def test_the_same_key_is_the_same_response(self, sdk: openai.AsyncOpenAI, model: ScriptedModel) -> None:
        key = {"Idempotency-Key": "response-1"}
        first, again = [await sdk.responses.create(model=MODEL, input="Hello", extra_headers=key) for _ in range(2)]
        assert first == again
        assert len(model.requests) == 1

    async def test_what_is_not_stored_is_nowhere(
        self, sdk: openai.AsyncOpenAI, http: httpx2.AsyncClient, model: ScriptedModel
    ) -> None:
        listed = (await http.get("/conversations")).json()["items"]
        response = await sdk.responses.create(model=MODEL, input="Hello", store=False, instructions="x")
        assert (response.output_text, response.conversation, response.instructions) == ("Hello", None, "x")
        stream = await sdk.responses.create(model=MODEL, input="Hello", store=False, stream=True)
        assert [event.type async for event in stream][-1] == "response.completed"
        assert (await http.get("/conversations")).json()["items"] == listed
        with pytest.raises(openai.NotFoundError):
            await sdk.responses.retrieve(response.id)
        model.then(Fail(OverloadedError("HTTP 503")))
        with pytest.raises(openai.InternalServerError) as caught:
            await sdk.responses.create(model=MODEL, input="Hello", store=False)
        assert caught.value.type == "model_error"

    async def test_a_form_is_passed_on_and_told_of(self, sdk: openai.AsyncOpenAI, model: ScriptedModel) -> None:
        form: Any = {"format": {"type": "json_schema", "name": "x", "schema": {"type": "object"}, "strict": True}}
        response = await sdk.responses.create(model=MODEL, input="Hello", text=form)
        passed = {"name": "x", "schema": {"type": "object"}, "strict": True}
        assert model.requests[0].sampling.response_format == {"type": "json_schema", "json_schema": passed}
        assert response.text
        assert response.text.format
        assert response.text.format.type == "json_schema"


class TestMemory:
    async def test_a_response_follows_another(self, sdk: openai.AsyncOpenAI, model: ScriptedModel) -> None:
        first = await sdk.responses.create(model=MODEL, input="One", instructions="Be brief.")
        second = await sdk.responses.create(model=MODEL, input="Two", previous_response_id=first.id)
        assert second.previous_response_id == first.id
        assert second.conversation == first.conversation
        said = [tuple(one) for one in model.requests[1].messages]
        assert said == [("user", "One"), ("assistant", "One"), ("user", "Two")]  # instructions are for one response
        beside = await sdk.responses.create(model=MODEL, input="Three", previous_response_id=first.id)
        said = [tuple(one) for one in model.requests[2].messages]
        assert said == [("user", "One"), ("assistant", "One"), ("user", "Three")]
        assert [item.content[0].text async for item in sdk.responses.input_items.list(beside.id)] == ["Three"]  # type: ignore[union-attr]

    async def test_a_conversation_of_the_other_routes_is_gone_on_with(
        self, sdk: openai.AsyncOpenAI, http: httpx2.AsyncClient, model: ScriptedModel
    ) -> None:
        made = (await http.post("/conversations", json={"system_prompt": "Be kind."})).json()["id"]
        response = await sdk.responses.create(model=MODEL, input="Hello", conversation=made)
        assert response.conversation
        await sdk.responses.create(model=MODEL, input="Bye", conversation={"id": response.conversation.id})
        said = [("system", "Be kind."), ("user", "Hello"), ("assistant", "Hello"), ("user", "Bye")]
        assert [tuple(one) for one in model.requests[1].messages] == said
        turns = (await http.get(f"/conversations/{made}/turns")).json()["items"]
        assert f"resp_{turns[-1]['id'].replace('-', '')}" == response.id

    async def test_one_that_is_still_made_cannot_be_followed(
        self, sdk: openai.AsyncOpenAI, model: ScriptedModel
    ) -> None:
        model.then(Say("Once "), Pause(30))
        running = await sdk.responses.create(model=MODEL, input="Hello", background=True)
        with pytest.raises(openai.ConflictError):
            await sdk.responses.create(model=MODEL, input="Again", previous_response_id=running.id)
        await sdk.responses.cancel(running.id)

    async def test_an_unknown_one_cannot_be_followed(self, sdk: openai.AsyncOpenAI) -> None:
        with pytest.raises(openai.BadRequestError) as caught:
            await sdk.responses.create(model=MODEL, input="x", previous_response_id="resp_" + "0" * 32)
        assert (caught.value.code, caught.value.param) == ("previous_response_not_found", "previous_response_id")

    async def test_nothing_is_left_out_where_that_is_forbidden(
        self, sdk: openai.AsyncOpenAI, model: ScriptedModel
    ) -> None:
        response = await sdk.responses.create(model=MODEL, input="word " * 30_000, truncation="disabled")
        assert response.truncation == "disabled"
        for _ in range(3):
            response = await sdk.responses.create(model=MODEL, input="word " * 30_000, previous_response_id=response.id)
        asked = len(model.requests)
        with pytest.raises(openai.BadRequestError) as caught:
            await sdk.responses.create(
                model=MODEL, input="More?", previous_response_id=response.id, truncation="disabled"
            )
        assert caught.value.code == "context_length_exceeded"
        assert len(model.requests) == asked


class TestStream:
    async def test_it_tells_everything_in_order(self, sdk: openai.AsyncOpenAI, model: ScriptedModel) -> None:
        model.then(Say("Good "), Pause(0.05), Say("“day” 🎉\n"))
        stream = await sdk.responses.create(model=MODEL, input="Hello", stream=True)
        events = [event async for event in stream]
        kinds = [event.type for event in events]
        deltas = kinds.count("response.output_text.delta")
        assert kinds == [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            *["response.output_text.delta"] * deltas,
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ]
        assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == (
            "Good “day” 🎉\n"
        )
        numbers = [event.sequence_number for event in events]
        assert numbers == sorted(set(numbers))
        last: Any = events[-1]
        assert last.response.output_text == "Good “day” 🎉\n"
        assert await sdk.responses.retrieve(last.response.id) == last.response

    async def test_it_is_the_same_on_every_replay_and_goes_on_after_any_number(
        self, sdk: openai.AsyncOpenAI, http: httpx2.AsyncClient, model: ScriptedModel
    ) -> None:
        model.then(Say("Good "), Pause(0.05), Say("day, "), Pause(0.05), Say("Ada."))
        stream = await sdk.responses.create(model=MODEL, input="Hello", stream=True)
        live = [event.model_dump() async for event in stream]
        replay = await events_of(http, live[0]["response"]["id"])
        whole = [event for event in replay if event["type"] != "response.output_text.delta"]
        assert [(event["type"], event["sequence_number"]) for event in whole] == [
            (event["type"], event["sequence_number"]) for event in live if event["type"] != "response.output_text.delta"
        ]
        assert text_of(replay) == text_of(live) == "Good day, Ada."
        for place in range(replay[-1]["sequence_number"] + 1):
            rest = await events_of(http, live[0]["response"]["id"], starting_after=place)
            assert all(event["sequence_number"] > place for event in rest)
            known = text_of([event for event in live if event["sequence_number"] <= place])
            assert "Good day, Ada.".endswith(text_of(rest)) or not text_of(rest)
            if place in {event["sequence_number"] for event in live}:
                assert known + text_of(rest) == "Good day, Ada."
                assert [e for e in whole if e["sequence_number"] > place] == [
                    e for e in rest if e["type"] != "response.output_text.delta"
                ]

    async def test_a_response_goes_on_without_its_listener(self, sdk: openai.AsyncOpenAI, model: ScriptedModel) -> None:
        model.then(Say("Once "), Pause(0.2), Say("upon a time."))
        stream = await sdk.responses.create(model=MODEL, input="Hello", stream=True, background=True)
        seen: list[Any] = []
        async for event in stream:
            seen.append(event)
            if event.type == "response.output_text.delta":
                break
        await stream.close()
        rest = await sdk.responses.retrieve(seen[0].response.id, stream=True, starting_after=seen[-1].sequence_number)
        said = seen[-1].delta + "".join([e.delta async for e in rest if e.type == "response.output_text.delta"])
        assert said == "Once upon a time."

    async def test_a_failure_is_told_at_the_end(self, sdk: openai.AsyncOpenAI, model: ScriptedModel) -> None:
        model.then(Say("Half a "), Fail(OverloadedError("HTTP 503")))
        stream = await sdk.responses.create(model=MODEL, input="Hello", stream=True)
        events: list[Any] = [event async for event in stream]
        assert [event.type for event in events][-3:] == ["response.output_item.done", "error", "response.failed"]
        assert events[-1].response.error.code == "model_overloaded"
        assert events[-3].item.status == "incomplete"


class TestBackground:
    async def test_it_answers_at_once(self, sdk: openai.AsyncOpenAI, model: ScriptedModel) -> None:
        model.then(Pause(0.1), Say("Done."))
        response = await sdk.responses.create(model=MODEL, input="Hello", background=True)
        assert (response.status, response.background, response.output) == ("in_progress", True, [])
        while response.status == "in_progress":
            await asyncio.sleep(0.02)
            response = await sdk.responses.retrieve(response.id)
        assert (response.status, response.output_text) == ("completed", "Done.")

    async def test_it_is_cancelled(self, sdk: openai.AsyncOpenAI, model: ScriptedModel) -> None:
        model.then(Say("Once "), Pause(30))
        response = await sdk.responses.create(model=MODEL, input="Hello", background=True)
        await until(lambda: bool(model.requests))
        await asyncio.sleep(0.05)
        cancelled = await sdk.responses.cancel(response.id)
        assert (cancelled.status, cancelled.output_text) == ("cancelled", "Once ")
        assert await sdk.responses.cancel(response.id) == cancelled
        assert model.closed == 1


class TestDelete:
    async def test_a_response_and_what_nobody_builds_upon_is_gone(
        self, sdk: openai.AsyncOpenAI, http: httpx2.AsyncClient
    ) -> None:
        first = await sdk.responses.create(model=MODEL, input="One")
        second = await sdk.responses.create(model=MODEL, input="Two", previous_response_id=first.id)
        assert first.conversation
        path = f"/conversations/{first.conversation.id.removeprefix('conv_')}"
        await sdk.responses.delete(first.id)
        with pytest.raises(openai.NotFoundError):
            await sdk.responses.retrieve(first.id)
        messages = (await http.get(f"{path}/messages")).json()["items"]
        assert [one["content"] for one in messages] == ["One", "One", "Two", "Two"]  # the second builds upon them
        await sdk.responses.delete(second.id)
        messages = (await http.get(f"{path}/messages")).json()["items"]
        assert [one["content"] for one in messages] == ["One", "One"]

    async def test_the_last_one_takes_its_conversation_along(
        self, sdk: openai.AsyncOpenAI, http: httpx2.AsyncClient
    ) -> None:
        response = await sdk.responses.create(model=MODEL, input="One")
        assert response.conversation
        path = f"/conversations/{response.conversation.id.removeprefix('conv_')}"
        await sdk.responses.delete(response.id)
        assert (await http.get(path)).status_code == 404

    async def test_a_conversation_that_somebody_made_keeps_its_words(
        self, sdk: openai.AsyncOpenAI, http: httpx2.AsyncClient
    ) -> None:
        made = (await http.post("/conversations", json={})).json()["id"]
        response = await sdk.responses.create(model=MODEL, input="One", conversation=made)
        await sdk.responses.delete(response.id)
        with pytest.raises(openai.NotFoundError):
            await sdk.responses.retrieve(response.id)
        assert len((await http.get(f"/conversations/{made}/messages")).json()["items"]) == 2

    async def test_one_that_is_being_made_is_not_deleted(self, sdk: openai.AsyncOpenAI, model: ScriptedModel) -> None:
        model.then(Pause(30))
        response = await sdk.responses.create(model=MODEL, input="One", background=True)
        with pytest.raises(openai.ConflictError):
            await sdk.responses.delete(response.id)
        await sdk.responses.cancel(response.id)


class TestInputTokens:
    async def test_they_are_counted_without_asking(self, sdk: openai.AsyncOpenAI, model: ScriptedModel) -> None:
        short = await sdk.responses.input_tokens.count(model=MODEL, input="Hello")
        long = await sdk.responses.input_tokens.count(model=MODEL, input="Hello " * 100, instructions="Be brief.")
        assert short.object == "response.input_tokens"
        assert 0 < short.input_tokens < 20 < 100 < long.input_tokens
        response = await sdk.responses.create(model=MODEL, input="word " * 200)
        more = await sdk.responses.input_tokens.count(model=MODEL, input="Hello", previous_response_id=response.id)
        assert more.input_tokens > 400
        assert len(model.requests) == 1


REFUSED: list[tuple[str, Any]] = [
    ("include", ["message.output_text.logprobs"]),
    ("reasoning", {"effort": "high"}),
    ("max_tool_calls", 3),
    ("top_logprobs", 2),
    ("prompt", {"id": "x"}),
    ("context_management", [{"type": "compaction"}]),
    ("service_tier", "flex"),
    ("no_such_field", 1),
]


class TestRefusals:
    @pytest.mark.parametrize(("field", "value"), REFUSED, ids=[field for field, _ in REFUSED])
    async def test_what_is_not_supported_is_named(
        self, http: httpx2.AsyncClient, model: ScriptedModel, field: str, value: Any
    ) -> None:
        response = await http.post("/v1/responses", json={"model": MODEL, "input": "x", field: value})
        error = response.json()["error"]
        assert (response.status_code, error["param"], error["code"]) == (400, field, "unsupported_parameter")
        assert error["type"] == "invalid_request"
        assert not model.requests

    @pytest.mark.parametrize(
        ("body", "param"),
        [
            ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0].type"),
            ({"input": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "input[0].content[0].type"),
            ({"input": [{"role": "user", "content": None}]}, "input[0].content"),
            ({"input": [{"role": "king", "content": "x"}]}, "input[0].role"),
            ({"input": [{"role": "user", "content": "x", "wings": 2}]}, "input[0].wings"),
            ({}, "input"),
            ({"input": "x", "conversation": "conv_1", "previous_response_id": "y"}, "previous_response_id"),
            ({"input": "x", "store": False, "background": True}, "background"),
            ({"input": "x", "text": {"format": {"type": "grammar"}}}, "text.format.type"),
            ({"input": "x", "text": {"verbosity": "low"}}, "text.verbosity"),
            ({"input": "x", "metadata": {"a": 1}}, "metadata.a"),
        ],
        ids=str,
    )
    async def test_what_makes_no_sense_is_named(self, http: httpx2.AsyncClient, body: Any, param: str) -> None:
        response = await http.post("/v1/responses", json={"model": MODEL, **body})
        assert (response.status_code, response.json()["error"]["param"]) == (400, param)

    async def test_somebody_elses_response_is_nobodys_business(self, served: Served, sdk: openai.AsyncOpenAI) -> None:
        response = await sdk.responses.create(model=MODEL, input="Hello")
        async with served.sdk("bob") as bob:
            for ask in (
                bob.responses.retrieve(response.id),
                bob.responses.delete(response.id),
                bob.responses.cancel(response.id),
                bob.responses.create(model=MODEL, input="x", previous_response_id=response.id),
            ):
                with pytest.raises(openai.PermissionDeniedError):
                    await ask
