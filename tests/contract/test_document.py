"""The OpenAPI document is valid, complete, and tells the truth about streams."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import jsonschema
import pytest

from conversation_engine.domains.llm.errors import OverloadedError
from conversation_engine.entrypoints.http.description.examples import BODIES
from conversation_engine.testing import Fail, Say
from tests.http.rules import OPEN
from tests.serving import SharedServer

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "openapi.json"
DOCUMENT: dict[str, Any] = json.loads(REFERENCE.read_text(encoding="utf-8"))
STREAM = "text/event-stream"


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, ways in DOCUMENT["paths"].items():
        for method, operation in ways.items():
            yield method.upper(), path, operation


class TestOperations:
    def test_each_tells_how_it_may_be_refused(self) -> None:
        for method, path, operation in operations():
            if (method, path) not in OPEN:
                assert {"401", "500"} <= set(operation["responses"]), (method, path)

    def test_each_body_has_an_example_that_it_takes(self) -> None:
        told = {
            f"{method} {path}": operation["requestBody"]["content"].get("application/json")
            for method, path, operation in operations()
            if "requestBody" in operation
        }
        assert set(BODIES) == {place for place, content in told.items() if content is not None}
        for place, content in told.items():
            if content is not None:
                check(content["example"], content["schema"], place)

    def test_each_stream_names_its_events(self) -> None:
        streams = [place for *place, operation in operations() if STREAM in json.dumps(operation["responses"])]
        assert len(streams) >= 12
        for _, _, operation in operations():
            content = operation["responses"].get("200", {}).get("content", {})
            if STREAM in content:
                assert content[STREAM]["x-events"]
                data = content[STREAM]["schema"]["properties"]["data"]
                events = data.get("anyOf", [data])[-1]["contentSchema"]
                check(json.loads(content[STREAM]["example"]["data"]), events, "an example")


def check(value: Any, schema: dict[str, Any], place: str) -> None:
    whole = {**schema, "components": DOCUMENT["components"]}
    errors = [error.message for error in jsonschema.Draft202012Validator(whole).iter_errors(value)]
    assert errors == [], (place, value)


def told_of(path: str, method: str = "post") -> dict[str, Any]:
    events: dict[str, Any] = DOCUMENT["paths"][path][method]["responses"]["200"]["content"][STREAM]["x-events"]
    return events


MESSAGES = [{"role": "user", "content": "Hello"}]
UI = [{"id": "m", "role": "user", "parts": [{"type": "text", "text": "Hello"}]}]


class TestStreams:
    @pytest.mark.parametrize(
        ("path", "body"),
        [
            ("/conversations/{conversation_id}/turns", {"content": "Hello"}),
            ("/query", {"query": "Hello"}),
            ("/v1/responses", {"model": "scripted/test", "input": "Hello", "stream": True}),
            ("/v1/chat/completions", {"model": "scripted/test", "messages": MESSAGES, "stream": True}),
            ("/api/chat", {"id": "streams", "messages": UI}),
        ],
    )
    @pytest.mark.parametrize("is_broken", [False, True], ids=["whole", "broken"])
    async def test_every_event_is_as_the_document_says(
        self, server: SharedServer, *, path: str, body: dict[str, Any], is_broken: bool
    ) -> None:
        server.forget()
        server.model.then(Say("One"), Say("two"), *([Fail(OverloadedError())] if is_broken else []))
        headers = {"Authorization": f"Bearer {server.token('eve')}", "Accept": STREAM}
        async with httpx2.AsyncClient(base_url=server.url, headers=headers, trust_env=False) as eve:
            created = (await eve.post("/conversations", json={}, headers={"Accept": "*/*"})).json()
            answer = await eve.post(path.format(conversation_id=created["id"]), json=body)
        assert answer.status_code == 200, answer.text
        told = told_of(path)
        heard = [block for block in answer.text.split("\n\n") if "data: {" in block]
        assert len(heard) >= 3
        for block in heard:
            lines = dict(line.split(": ", 1) for line in block.split("\n"))
            data = json.loads(lines["data"])
            name = lines.get("event") or data.get("type", "")
            if "error" in data and name == "":  # the dialect's own way to break off
                check(data, {"$ref": "#/components/schemas/DialectError"}, block)
            else:
                check(data, told[name], block)
