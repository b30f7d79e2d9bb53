"""The official Node SDK, unmodified, against the same server. Where there is no Node it is not tried."""

import json
from pathlib import Path
from typing import Any

import pytest

from conversation_engine.testing import Call, Say, ScriptedModel
from tests.node import needs_node, run_node
from tests.openai.conftest import Served

SOURCES = Path(__file__).parent / "node"

pytestmark = [pytest.mark.slow, needs_node]


async def test_it_does_everything_once(served: Served) -> None:
    told = await run_node(SOURCES, "talk.mjs", f"{served.url}/v1", served.token("ada"))
    heard: dict[str, Any] = json.loads(told)
    assert "scripted/test" in heard["models"]
    assert heard["chat"] == heard["chatStream"] == "Hello"
    assert heard["metadata"] == {"topic": "sea"}
    assert heard["response"] == ["completed", "One"]
    assert heard["streamed"] == heard["replay"] == "Two“🎉"
    assert heard["kinds"][0] == "response.created"
    assert heard["kinds"][-1] == "response.completed"
    assert heard["numbers"] == sorted(set(heard["numbers"]))
    assert heard["items"] == ["One", "One", "Two“🎉", "Two“🎉"]
    assert heard["inputs"] == ["Two“🎉"]
    assert heard["refusal"] == ["BadRequestError", 400, "unsupported_parameter", "n"]
    assert heard["missing"] == ["NotFoundError", 404, "turn_not_found"]


async def test_it_calls_tools(served: Served, model: ScriptedModel) -> None:
    for _ in ("chat", "response"):
        model.then(Call("weather", ('{"city":', '"Oslo"}'), "call_oslo"))
        model.then(Say("Yes."))
    told = await run_node(SOURCES, "tools.mjs", f"{served.url}/v1", served.token("ada"))
    assert json.loads(told) == {
        "asked": ["Oslo", "Oslo"],
        "chat": "Yes.",
        "response": "Yes.",
        "inputs": ["function_call_output"],
    }
