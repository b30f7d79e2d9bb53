"""The npm packages `ai` 7.0.173 and `@ai-sdk/react` 4.0.177, unmodified, in React 19, against a real server."""

import json
from pathlib import Path
from typing import Any

import pytest

from conversation_engine.domains.llm.errors import OverloadedError
from conversation_engine.domains.llm.parts import Parts
from conversation_engine.testing import Call, Fail, Pause, Say
from tests.node import needs_node, run_node
from tests.serving import SharedServer

SOURCES = Path(__file__).parent / "node"

pytestmark = [pytest.mark.slow, needs_node]


async def test_use_chat_does_everything_once_with_a_reload_in_the_middle(server: SharedServer) -> None:
    for script in (
        [Say("Hi "), Say("there“🎉")],
        [Say("Half a "), Pause(0.7), Say("reply\u2028.")],
        [Say("Long"), Pause(60)],
        [Say("Again")],
        [Say("Edited")],
        [Say("Bro"), Fail(OverloadedError())],
        [Say("Let me see."), *(Call("weather", (f'{{"city":"{city}"}}',), city) for city in ("Oslo", "Rome"))],
        [Say("Ro"), Pause(0.7), Say("me.")],
    ):
        server.model.then(*script)
    heard: dict[str, Any] = json.loads(await run_node(SOURCES, "talk.mjs", server.url, server.token("ada")))

    assert heard["first"] == [["user", "Hello"], ["assistant", "Hi there“🎉"]]
    metadata = heard["metadata"]
    assert metadata["state"] == "completed"
    assert metadata["usage"]["output_tokens"] > 0
    assert {"cost", "conversation_id", "turn_id", "model"} <= set(metadata)

    assert heard["before"] == "Half a "
    assert heard["kept"] == [*heard["first"], ["user", "Go on"]]
    assert heard["resumed"] == [*heard["kept"], ["assistant", "Half a reply\u2028."]]
    assert heard["idle"] is None

    assert (heard["stopped"], heard["stoppedState"]) == (1, "cancelled")
    assert heard["regenerated"] == ["assistant", "Again"]
    assert heard["edited"] == [["user", "Otherwise"], ["assistant", "Edited"]]
    assert heard["path"] == [*heard["resumed"], *heard["edited"]]

    assert heard["failed"] == ["error", OverloadedError.sentence, "Bro"]
    assert heard["refused"] == ["error", "not_authenticated"]
    assert_tools_were_called(heard)
    assert len(server.model.requests) == 8
    assert [type(one.content) for one in server.model.requests[-1].messages] == [Parts] * 3


def assert_tools_were_called(heard: dict[str, Any]) -> None:
    assert heard["calls"] == [["weather", "Oslo"], ["weather", "Rome"]]
    called = [
        ["step-start", None, None],
        ["text", "done", None],
        ["tool-weather", "output-available", 1],
        ["tool-weather", "output-available", 2],
        ["step-start", None, None],
    ]
    assert heard["calling"] == [*called, ["text", "streaming", None]]
    assert heard["called"] == [*called, ["text", "done", None]]
    image, text = heard["question"]
    assert (image[:15], text) == ("data:image/gif;", "Warmer where?")
    assert heard["stored"] == [2, True, 2]
