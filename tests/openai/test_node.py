"""The official Node SDK, unmodified, against the same server. Where there is no Node it is not tried."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from conversation_engine.testing import Call, Say, ScriptedModel
from tests.openai.conftest import Served

SOURCES = Path(__file__).parent / "node"
INSTALLED = Path(__file__).parents[2] / ".tools" / "node"
"""Kept for the next run, beside the other tools; git does not know it."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("node") is None or shutil.which("npm") is None, reason="there is no Node here"),
]


async def run(*command: str, folder: Path) -> str:
    """What a command printed."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, cwd=folder, stdout=pipe, stderr=pipe)
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()[-2000:]
    return output.decode()


async def installed() -> Path:
    """A folder with the scripts and the SDK of `package.json` beside it."""
    INSTALLED.mkdir(parents=True, exist_ok=True)
    wanted = (SOURCES / "package.json").read_text()
    for script in SOURCES.glob("*.mjs"):
        shutil.copy(script, INSTALLED)
    stamp = INSTALLED / "stamp"
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.copy(SOURCES / "package.json", INSTALLED)
        options = ("--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--silent")
        await run("npm", "install", *options, folder=INSTALLED)
        stamp.write_text(wanted)
    return INSTALLED


async def test_it_does_everything_once(served: Served) -> None:
    told = await run("node", "talk.mjs", f"{served.url}/v1", served.token("ada"), folder=await installed())
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
    told = await run("node", "tools.mjs", f"{served.url}/v1", served.token("ada"), folder=await installed())
    assert json.loads(told) == {
        "asked": ["Oslo", "Oslo"],
        "chat": "Yes.",
        "response": "Yes.",
        "inputs": ["function_call_output"],
    }
