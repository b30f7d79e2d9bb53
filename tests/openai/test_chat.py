"""`/v1/models` and `/v1/chat/completions` through the official SDK."""

import asyncio
import json
from typing import Any

import httpx2
import openai
import pytest

from conversation_engine.domains.llm.errors import ModelRateLimitedError, OverloadedError
from conversation_engine.testing import Fail, Pause, Say, ScriptedModel
from tests.conftest import until
from tests.openai.conftest import Served

HELLO: Any = [{"role": "user", "content": "Hello"}]


class TestModels:
    async def test_they_are_listed_and_found(self, sdk: openai.AsyncOpenAI) -> None:
        listed = {one.id: one async for one in sdk.models.list()}
        assert listed["scripted/test"].owned_by == "scripted"
        assert (await sdk.models.retrieve("openai/gpt-4o")).id == "openai/gpt-4o"

    async def test_one_that_nobody_has_is_not_found(self, sdk: openai.AsyncOpenAI) -> None:
        with pytest.raises(openai.NotFoundError) as caught:
            await sdk.models.retrieve("nobody/model")
        assert caught.value.code == "model_not_found"


class TestStateless:
    async def test_it_answers(self, sdk: openai.AsyncOpenAI, model: ScriptedModel) -> None:
        model.then(Say("Good "), Say("day."))
        messages: Any = [{"role": "developer", "content": "Be brief."}, *HELLO]
        answer = await sdk.chat.completions.create(
            model="scripted/test",
            messages=messages,
            temperature=0.2,
            top_p=0.9,
            max_tokens=3,
            max_completion_tokens=50,
            stop="END",
            seed=7,
            response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}},
        )
        assert (answer.object, answer.model) == ("chat.completion", "scripted/test")
        [choice] = answer.choices
        assert (choice.message.role, choice.message.content, choice.finish_reason) == ("assistant", "Good day.", "stop")
        assert answer.usage
        assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (11, 5, 16)
        assert answer.usage.prompt_tokens_details
        assert answer.usage.prompt_tokens_details.cached_tokens == 3
        [request] = model.requests
        assert [tuple(message) for message in request.messages] == [("system", "Be brief."), ("user", "Hello")]
        sampling = request.sampling
        assert (sampling.temperature, sampling.top_p, sampling.seed, sampling.stop) == (0.2, 0.9, 7, ("END",))
        assert sampling.reply_limit_tokens == 50
        assert sampling.response_format
        assert sampling.response_format["type"] == "json_schema"

    async def test_it_streams(self, sdk: openai.AsyncOpenAI, model: ScriptedModel) -> None:
        model.then(Say("Good "), Pause(0.01), Say("“day” 🎉\n"))
        stream = await sdk.chat.completions.create(
            model="scripted/test", messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
        assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
        assert len({chunk.id for chunk in chunks}) == 1
        assert chunks[0].choices[0].delta.role == "assistant"
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        assert text == "Good “day” 🎉\n"
        assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
        assert chunks[-1].choices == []
        assert chunks[-1].usage
        assert chunks[-1].usage.total_tokens == 16
        assert all(chunk.usage is None for chunk in chunks[:-1])

    async def test_the_stream_is_plain_data(self, http: httpx2.AsyncClient) -> None:
        body = {"model": "scripted/test", "messages": HELLO, "stream": True}
        async with http.stream("POST", "/v1/chat/completions", json=body) as response:
            lines = [line async for line in response.aiter_lines()]
        assert lines[-2] == "data: [DONE]"
        assert all(line == "" or line.startswith("data: ") for line in lines)
        assert response.headers["x-accel-buffering"] == "no"

    async def test_a_blocking_client_is_served_too(self, blocking: openai.OpenAI) -> None:
        def talk() -> tuple[str | None, str]:
            answer = blocking.chat.completions.create(model="scripted/test", messages=HELLO)
            stream = blocking.chat.completions.create(model="scripted/test", messages=HELLO, stream=True)
            return answer.choices[0].message.content, "".join(one.choices[0].delta.content or "" for one in stream)

        assert await asyncio.to_thread(talk) == ("Hello", "Hello")

    async def test_a_reply_that_was_too_long_says_so(self, sdk: openai.AsyncOpenAI) -> None:
        answer = await sdk.chat.completions.create(model="short/test", messages=HELLO)
        assert answer.choices[0].finish_reason == "length"

    async def test_nothing_is_kept_but_what_it_cost(
        self, served: Served, sdk: openai.AsyncOpenAI, http: httpx2.AsyncClient
    ) -> None:
        before = (await http.get("/stats/cost", params={"group_by": "model"})).json()
        listed = (await http.get("/conversations")).json()["items"]
        await sdk.chat.completions.create(model="scripted/test", messages=HELLO)
        assert (await http.get("/conversations")).json()["items"] == listed
        after = (await http.get("/stats/cost", params={"group_by": "model"})).json()
        assert _calls(after) == _calls(before) + 1

    async def test_hanging_up_ends_the_call(self, served: Served, model: ScriptedModel) -> None:
        for stream in (True, False):
            model.then(Say("Once "), Pause(30))
            async with served.sdk() as client:
                asked = len(model.requests)

                async def talk(stream: bool = stream, client: openai.AsyncOpenAI = client) -> None:
                    answer: Any = await client.chat.completions.create(
                        model="scripted/test", messages=HELLO, stream=stream
                    )
                    async for _ in answer:
                        pass

                talking = asyncio.create_task(talk())
                await until(lambda asked=asked: len(model.requests) > asked)
                closed = model.closed
                talking.cancel()
                await asyncio.gather(talking, return_exceptions=True)
                await until(lambda closed=closed: model.closed > closed)

    async def test_a_model_that_fails_is_an_error(self, sdk: openai.AsyncOpenAI, model: ScriptedModel) -> None:
        model.then(Fail(OverloadedError("HTTP 503")))
        with pytest.raises(openai.InternalServerError) as caught:
            await sdk.chat.completions.create(model="scripted/test", messages=HELLO)
        assert (caught.value.status_code, caught.value.code, caught.value.type) == (
            502,
            "model_overloaded",
            "server_error",
        )
        model.then(Say("Half a "), Fail(ModelRateLimitedError("HTTP 429")))
        stream = await sdk.chat.completions.create(model="scripted/test", messages=HELLO, stream=True)
        said: list[str] = []

        async def listen() -> None:
            async for chunk in stream:
                said.append(chunk.choices[0].delta.content or "")

        with pytest.raises(openai.APIError, match="taking no more requests"):
            await listen()
        assert "".join(said) == "Half a "


class TestStateful:
    async def test_a_named_conversation_remembers(
        self, sdk: openai.AsyncOpenAI, http: httpx2.AsyncClient, model: ScriptedModel
    ) -> None:
        conversation_id = (await http.post("/conversations", json={})).json()["id"]
        named = {"conversation": conversation_id}
        first = await sdk.chat.completions.create(model="scripted/test", messages=HELLO, extra_body=named)
        assert first.choices[0].message.content == "Hello"
        history: Any = [*HELLO, {"role": "assistant", "content": "Hello"}, {"role": "user", "content": "And now?"}]
        header = {"X-Conversation-Id": first.conversation["id"]}  # type: ignore[attr-defined]
        stream = await sdk.chat.completions.create(
            model="scripted/test", messages=history, stream=True, extra_headers=header
        )
        assert "".join([one.choices[0].delta.content or "" async for one in stream]) == "And now?"
        assert [tuple(message) for message in model.requests[-1].messages] == [
            ("user", "Hello"),
            ("assistant", "Hello"),
            ("user", "And now?"),
        ]
        stored = (await http.get(f"/conversations/{conversation_id}/messages")).json()["items"]
        assert [message["content"] for message in stored] == ["Hello", "Hello", "And now?", "And now?"]

    async def test_the_same_key_is_the_same_turn(
        self, sdk: openai.AsyncOpenAI, http: httpx2.AsyncClient, model: ScriptedModel
    ) -> None:
        conversation_id = (await http.post("/conversations", json={})).json()["id"]
        answers = [
            await sdk.chat.completions.create(
                model="scripted/test",
                messages=HELLO,
                extra_body={"conversation": {"id": conversation_id}},
                extra_headers={"Idempotency-Key": "chat-1"},
            )
            for _ in range(2)
        ]
        assert answers[0] == answers[1]
        assert len(model.requests) == 1

    async def test_a_turn_that_failed_is_not_asked_for_again_by_the_client(
        self, served: Served, http: httpx2.AsyncClient, model: ScriptedModel
    ) -> None:
        conversation_id = (await http.post("/conversations", json={})).json()["id"]
        model.then(Fail(OverloadedError("HTTP 503")))
        client = openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key=served.token("ada"))
        async with client:
            with pytest.raises(openai.InternalServerError):
                await client.chat.completions.create(
                    model="scripted/test", messages=HELLO, extra_body={"conversation": conversation_id}
                )
        stored = (await http.get(f"/conversations/{conversation_id}/messages")).json()["items"]
        assert [message["content"] for message in stored] == ["Hello"]

    @pytest.mark.parametrize(
        "messages",
        [
            [{"role": "system", "content": "x"}],
            [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}],
            [{"role": "user", "content": "x"}, {"role": "user", "content": "y"}],
        ],
    )
    async def test_what_is_not_one_new_message_is_refused(
        self, sdk: openai.AsyncOpenAI, http: httpx2.AsyncClient, messages: Any
    ) -> None:
        conversation_id = (await http.post("/conversations", json={})).json()["id"]
        with pytest.raises(openai.BadRequestError) as caught:
            await sdk.chat.completions.create(
                model="scripted/test", messages=messages, extra_body={"conversation": conversation_id}
            )
        assert caught.value.param == "messages"


REFUSED: list[tuple[str, Any]] = [
    ("n", 2),
    ("logprobs", True),
    ("top_logprobs", 3),
    ("logit_bias", {"1": 2}),
    ("frequency_penalty", 0.5),
    ("presence_penalty", 0.5),
    ("modalities", ["text", "audio"]),
    ("audio", {"voice": "x", "format": "wav"}),
    ("store", True),
    ("service_tier", "priority"),
    ("web_search_options", {}),
    ("reasoning_effort", "high"),
    ("metadata", {"a": "b"}),
    ("no_such_field", 1),
]


class TestRefusals:
    @pytest.mark.parametrize(("field", "value"), REFUSED, ids=[field for field, _ in REFUSED])
    async def test_what_is_not_supported_is_named(
        self, http: httpx2.AsyncClient, model: ScriptedModel, field: str, value: Any
    ) -> None:
        body = {"model": "scripted/test", "messages": HELLO, field: value}
        response = await http.post("/v1/chat/completions", json=body)
        error = response.json()["error"]
        assert (response.status_code, error["param"], error["code"], error["type"]) == (
            400,
            field,
            "unsupported_parameter",
            "invalid_request_error",
        )
        assert f"`{field}`" in error["message"]
        assert not model.requests

    async def test_what_asks_for_nothing_is_taken(self, sdk: openai.AsyncOpenAI) -> None:
        answer = await sdk.chat.completions.create(
            model="scripted/test", messages=HELLO, n=1, logprobs=False, user="u", presence_penalty=0, store=False
        )
        assert answer.choices[0].message.content == "Hello"

    @pytest.mark.parametrize(
        ("message", "param"),
        [
            ({"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}, "messages[0].content[0].type"),
            ({"role": "user", "content": [{"type": "text"}]}, "messages[0].content[0].text"),
            ({"role": "user", "content": "x", "name": "bob"}, "messages[0].name"),
            ({"role": "parrot", "content": "x"}, "messages.0.role"),
        ],
    )
    async def test_what_a_message_holds_is_named(self, http: httpx2.AsyncClient, message: Any, param: str) -> None:
        response = await http.post("/v1/chat/completions", json={"model": "scripted/test", "messages": [message]})
        assert (response.status_code, response.json()["error"]["param"]) == (400, param)


class TestErrors:
    async def test_a_wrong_key(self, served: Served) -> None:
        async with openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key="sk-wrong", max_retries=0) as client:
            with pytest.raises(openai.AuthenticationError) as caught:
                await client.chat.completions.create(model="scripted/test", messages=HELLO)
        assert caught.value.code == "invalid_api_key"

    async def test_somebody_elses_conversation(self, served: Served, http: httpx2.AsyncClient) -> None:
        conversation_id = (await http.post("/conversations", json={})).json()["id"]
        async with served.sdk("bob") as client:
            with pytest.raises(openai.PermissionDeniedError):
                await client.chat.completions.create(
                    model="scripted/test", messages=HELLO, extra_body={"conversation": conversation_id}
                )

    @pytest.mark.parametrize(
        ("asked", "content", "told"),
        [
            ("GET /v1/nowhere", b"", (404, "no_such_route")),
            ("PUT /v1/models", b"", (405, "method_not_allowed")),
            ("POST /v1/chat/completions", b"{", (400, "malformed_json")),
            ("POST /v1/chat/completions", b'{"model": "x"}', (400, "invalid_request")),
            ("POST /v1/chat/completions", b"x" * 1_100_000, (413, "body_too_large")),
            ("POST /v1/chat/completions/", b"[]", (400, "invalid_request")),
        ],
        ids=["nowhere", "method", "json", "fields", "large", "list"],
    )
    async def test_every_answer_has_the_dialects_shape(
        self, http: httpx2.AsyncClient, asked: str, content: bytes, told: tuple[int, str]
    ) -> None:
        method, path = asked.split()
        status, code = told
        headers = {"Content-Type": "application/json"}
        response = await http.request(method, path, content=content, headers=headers)
        assert (response.status_code, response.headers["content-type"]) == (status, "application/json")
        error = response.json()["error"]
        assert error["code"] == code
        assert set(error) == {"message", "type", "param", "code"}

    async def test_native_routes_keep_theirs(self, http: httpx2.AsyncClient) -> None:
        response = await http.get("/conversations/x")
        assert response.headers["content-type"] == "application/problem+json"

    async def test_a_prompt_that_is_too_long(self, sdk: openai.AsyncOpenAI, model: ScriptedModel) -> None:
        long: Any = [{"role": "user", "content": "word " * 150_000}]
        with pytest.raises(openai.BadRequestError) as caught:
            await sdk.chat.completions.create(model="scripted/test", messages=long)
        assert caught.value.code == "context_length_exceeded"
        assert not model.requests


def _calls(cost: Any) -> int:
    return int(json.dumps(cost) and cost["total"]["calls"])
