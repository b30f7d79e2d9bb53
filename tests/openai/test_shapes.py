"""What `/v1` answers is what the document says, field for field: nothing more, and nothing that is told loosely."""

import json
from typing import Any

import httpx2
import jsonschema
import pytest

from conversation_engine.domains.llm.errors import OverloadedError
from conversation_engine.testing import Call, Fail, Pause, Say, ScriptedModel
from tests.contract.test_document import DOCUMENT, STREAM

Json = dict[str, Any]
MODEL = "scripted/test"
OSLO = Call("weather", ('{"city":', '"Oslo"}'), "call_oslo")
FUNCTION = {"name": "weather", "parameters": {"type": "object"}}
FLAT, NESTED = [{"type": "function", **FUNCTION}], [{"type": "function", "function": FUNCTION}]
PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
PDF = "data:application/pdf;base64,JVBERi0xLjQK"
SAID = [
    {"role": "user", "content": [{"type": "input_text", "text": "?"}, {"type": "input_image", "image_url": PIXEL}]},
    {
        "role": "user",
        "content": [{"type": "input_file", "filename": "a.pdf", "file_data": "data:a/pdf;base64,JVBERi0="}],
    },
    {"role": "developer", "content": "Be brief."},
    {"role": "assistant", "content": "Yes."},
    {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "call_1", "output": "Rain."},
]
SCHEMA = {"type": "json_schema", "name": "a", "schema": {"type": "object"}, "strict": True}


def closed(schema: Any) -> Any:
    """The same schema, where a field that it does not name is an error."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {name: closed(value) for name, value in schema.items()}
    is_loose = schema.get("type") != "object" or "properties" not in schema or "additionalProperties" in schema
    return inner if is_loose else inner | {"additionalProperties": False}


COMPONENTS = closed(DOCUMENT["components"])


def check(told: Any, schema: Json) -> None:
    errors = jsonschema.Draft202012Validator({**schema, "components": COMPONENTS}).iter_errors(told)
    assert [error.message for error in errors] == [], told


def schema_of(method: str, path: str) -> Json:
    content: Json = DOCUMENT["paths"][path][method]["responses"]["200"]["content"]["application/json"]
    return dict(content["schema"])


class Eve:
    """Calls operations, and holds every answer against the document."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self._http = http

    async def call(self, method: str, path: str, body: Any = None, **ids: str) -> Any:
        answer = await self._http.request(method, path.format(**ids), json=body)
        assert answer.status_code == 200, answer.text
        told = answer.json()
        check(told, schema_of(method, path))
        return told

    async def stream(self, path: str, body: Json) -> list[Json]:
        """The events, each as the document has it by its name."""
        answer = await self._http.post(path, json={**body, "stream": True})
        named = DOCUMENT["paths"][path]["post"]["responses"]["200"]["content"][STREAM]["x-events"]
        heard = [line.removeprefix("data: ") for line in answer.text.split("\n") if line.startswith("data: {")]
        events: list[Json] = [json.loads(line) for line in heard]
        for event in events:
            check(event, named[event.get("type", "")])
        return events


@pytest.fixture
def eve(http: httpx2.AsyncClient) -> Eve:
    """Somebody with a token."""
    return Eve(http)


def test_no_answer_is_told_loosely() -> None:
    """No schema says "an object" and no more, but for what clients made up themselves."""
    loose = {"type": "object"}
    for path, ways in DOCUMENT["paths"].items():
        for method in ways if path.startswith("/v1") else ():
            schema = schema_of(method, path)
            assert "$ref" in schema or "anyOf" in schema, (method, path)
    for name in ("ResponseObject", "ChatCompletion", "ChatCompletionChunk", "OutputItemEvent", "Items"):
        assert loose not in DOCUMENT["components"]["schemas"][name]["properties"].values()


class TestResponses:
    @pytest.mark.parametrize(
        ("fields", "script"),
        [
            ({}, [Say("Hi")]),
            ({"tools": FLAT, "tool_choice": {"type": "function", "name": "weather"}}, [Say("Well."), OSLO]),
            ({"text": {"format": SCHEMA}, "temperature": 0.5, "metadata": {"a": "b"}}, [Say("{}")]),
            ({"store": False, "instructions": "Be brief.", "max_output_tokens": 5}, [Say("Hi")]),
            ({}, [Say("Half"), Fail(OverloadedError())]),
            ({"input": SAID, "truncation": "disabled"}, [Say("Hi")]),
        ],
        ids=["plain", "tools", "form", "unstored", "broken", "items"],
    )
    async def test_whole_and_streamed(self, eve: Eve, model: ScriptedModel, *, fields: Json, script: list[Any]) -> None:
        body = {"model": MODEL, "input": "Hello", **fields}
        for _ in ("whole", "streamed"):
            model.then(*script)
        made = await eve.call("post", "/v1/responses", body)
        assert made["status"] in ("completed", "failed")
        events = await eve.stream("/v1/responses", body)
        assert events[-1]["type"] in ("response.completed", "response.failed")

    async def test_in_the_background_listed_counted_cancelled_and_deleted(self, eve: Eve, model: ScriptedModel) -> None:
        model.then(Say("Half"), Pause(60))
        made = await eve.call("post", "/v1/responses", {"model": MODEL, "input": SAID, "background": True})
        key = made["id"]
        await eve.call("get", "/v1/responses/{response_id}", response_id=key)
        items = await eve.call("get", "/v1/responses/{response_id}/input_items", response_id=key)
        assert len(items["data"]) == len(SAID)
        assert (await eve.call("post", "/v1/responses/{response_id}/cancel", response_id=key))["status"] == "cancelled"
        assert (await eve.call("post", "/v1/responses/input_tokens", {"input": "Hello"}))["input_tokens"]
        assert (await eve.call("delete", "/v1/responses/{response_id}", response_id=key))["deleted"]


class TestChat:
    @pytest.mark.parametrize("is_kept", [False, True], ids=["stateless", "kept"])
    @pytest.mark.parametrize("script", [[Say("Hi")], [Say("Well."), OSLO]], ids=["plain", "tools"])
    async def test_whole_and_streamed(
        self, eve: Eve, model: ScriptedModel, *, script: list[Any], is_kept: bool
    ) -> None:
        body: Json = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}], "tools": NESTED}
        if is_kept:
            body["conversation"] = (await eve.call("post", "/v1/conversations", {}))["id"]
        for _ in ("whole", "streamed"):
            model.then(*script)
        told = await eve.call("post", "/v1/chat/completions", body)
        assert ("conversation" in told) == is_kept
        chunks = await eve.stream("/v1/chat/completions", {**body, "stream_options": {"include_usage": True}})
        assert chunks[-1]["usage"]["total_tokens"] >= 0


async def test_conversations_and_their_items(eve: Eve) -> None:
    body = {"items": SAID, "metadata": {"topic": "sea"}}
    key = (await eve.call("post", "/v1/conversations", body))["id"]
    await eve.call("get", "/v1/conversations")
    await eve.call("get", "/v1/conversations/{conversation_id}", conversation_id=key)
    await eve.call("post", "/v1/conversations/{conversation_id}", {"metadata": {}}, conversation_id=key)
    place = "/v1/conversations/{conversation_id}/items"
    added = await eve.call("post", place, {"items": SAID[:1]}, conversation_id=key)
    listed = (await eve.call("get", place, conversation_id=key))["data"]
    assert [item["type"] for item in listed[1:3]] == ["function_call_output", "function_call"]
    for item in listed:
        got = await eve.call("get", place + "/{item_id}", conversation_id=key, item_id=item["id"])
        assert got == item
    await eve.call("delete", place + "/{item_id}", conversation_id=key, item_id=added["data"][0]["id"])
    await eve.call("delete", "/v1/conversations/{conversation_id}", conversation_id=key)


async def test_models_and_embeddings(eve: Eve) -> None:
    models = (await eve.call("get", "/v1/models"))["data"]
    await eve.call("get", "/v1/models/{model}", model=models[0]["id"])
    for encoding in ("float", "base64"):
        body = {"model": models[-1]["id"], "input": "Hello", "encoding_format": encoding}
        await eve.call("post", "/v1/embeddings", body)
