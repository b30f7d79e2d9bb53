"""The real small model behind the dialect, through the official SDKs."""

import asyncio
import json
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from tests.node import needs_node, run_node
from tests.openai.conftest import Served
from tests.openai.test_node import SOURCES


class Answer(BaseModel):
    """What the SDK's own helper makes a schema of, and reads the answer into."""

    ok: bool


pytestmark = [pytest.mark.local_model, pytest.mark.slow]


async def test_it_talks_in_both_ways(sdk: openai.AsyncOpenAI) -> None:
    hello: Any = [{"role": "user", "content": "Say hello."}]
    stream = await sdk.chat.completions.create(
        model="local", messages=hello, max_tokens=12, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices).strip()
    assert chunks[-1].usage
    assert 0 < chunks[-1].usage.completion_tokens <= 12

    first = await sdk.responses.create(model="local", input="My name is Ada.", max_output_tokens=12)
    assert first.status in {"completed", "incomplete"}
    second = await sdk.responses.create(
        model="local", input="Go on.", max_output_tokens=12, previous_response_id=first.id
    )
    assert first.usage
    assert second.usage
    assert second.usage.input_tokens > first.usage.input_tokens + 10  # it was shown what was said before


async def test_it_keeps_to_a_schema(sdk: openai.AsyncOpenAI) -> None:
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
    response = await sdk.responses.create(
        model="local",
        input="Is water wet? Answer in JSON.",
        max_output_tokens=40,
        text={"format": {"type": "json_schema", "name": "answer", "schema": {**schema, "additionalProperties": False}}},
    )
    answer = json.loads(response.output_text)
    assert answer in ({"ok": True}, {"ok": False})
    asked: Any = [{"role": "user", "content": "Is water wet? Answer in JSON."}]
    chat = await sdk.chat.completions.parse(model="local", messages=asked, max_tokens=40, response_format=Answer)
    assert isinstance(chat.choices[0].message.parsed, Answer)


@needs_node
async def test_it_talks_to_node(served: Served) -> None:
    heard = json.loads(await run_node(SOURCES, "small_model.mjs", f"{served.url}/v1", served.token("ada")))
    assert heard["streamed"].strip()
    assert heard["shown"][1] > heard["shown"][0] + 10


async def test_it_talks_to_a_client_that_waits(blocking: openai.OpenAI) -> None:
    def talk() -> str:
        with blocking.responses.stream(model="local", input="Say hello.", max_output_tokens=8) as stream:
            return "".join(event.delta for event in stream if event.type == "response.output_text.delta")

    assert (await asyncio.to_thread(talk)).strip()
