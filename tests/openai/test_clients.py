"""Clients whose dependencies clash with ours, each in an environment that `make clients` has made. Without it they are
not tried."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from conversation_engine.testing import Call, Say, ScriptedModel
from tests.openai.conftest import Served

SOURCES = Path(__file__).parent / "clients"
PYTHON = Path(__file__).parents[2] / ".tools" / "clients" / "bin" / "python"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON.exists(), reason="`make clients` has not been run"),
]


async def heard_by(script: str, served: Served) -> dict[str, Any]:
    """What a client printed."""
    pipe = asyncio.subprocess.PIPE
    command = (PYTHON, SOURCES / script, f"{served.url}/v1", served.token("ada"))
    process = await asyncio.create_subprocess_exec(*map(str, command), stdout=pipe, stderr=pipe)
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()[-2000:]
    heard: dict[str, Any] = json.loads(output)
    return heard


async def test_langchain(served: Served, model: ScriptedModel) -> None:
    assert await heard_by("langchain_talk.py", served) == {
        "chat": ["Hello", 16],
        "stream": "Streamed",
        "response": "One",
        "response_stream": "Two",
        "follows": "Three",
    }
    assert [message.content for message in model.requests[-1].messages] == ["One", "One", "Three"]


async def test_the_agents_sdk(served: Served, model: ScriptedModel) -> None:
    assert await heard_by("agents_talk.py", served) == {
        "OpenAIChatCompletionsModel": ["Hello", "Streamed"],
        "OpenAIResponsesModel": ["Hello", "Streamed"],
        "session": ["user", "assistant", "user", "assistant"],
        "popped": 3,
        "follows": ["Three", "Four"],
    }
    said = [message.content for message in model.requests[-1].messages]
    assert said == ["Be brief.", "Three", "Three", "Four"]


OSLO = Call("weather", ('{"city":', '"Oslo"}'), "call_oslo")
RAIN = "It rains in Oslo."


async def test_langchain_with_tools(served: Served, model: ScriptedModel) -> None:
    for _ in ("chat", "responses"):
        for reply in (OSLO, OSLO, Say("Yes.")):
            model.then(reply)
    told = [[{"city": "Oslo"}], 3, "Yes."]
    assert await heard_by("langchain_tools.py", served) == {"chat": told, "responses": told}
    assert [message.text for message in model.requests[-1].messages][-1] == f"[result: {RAIN}]"


async def test_the_agents_sdk_with_a_tool(served: Served, model: ScriptedModel) -> None:
    for _ in range(6):
        model.then(OSLO)
        model.then(Say("Yes."))
    assert await heard_by("agents_tools.py", served) == {
        "OpenAIChatCompletionsModel": ["Yes.", "Yes."],
        "OpenAIResponsesModel": ["Yes.", "Yes."],
        "session": "Yes.",
        "items": ["message", "function_call", "function_call_output", "message"],
        "conversation": "Yes.",
    }
    assert [message.text for message in model.requests[-1].messages][-1] == f"[result: {RAIN}]"


@pytest.mark.local_model
async def test_both_with_the_real_small_model(served: Served) -> None:
    heard = await heard_by("small_model.py", served)
    assert heard["langchain"].strip()
    assert set(heard["agents"]) <= {True, False}
    assert heard["session"] == ["user", "assistant", "user", "assistant"]
