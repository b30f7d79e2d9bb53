"""The programs of the guide and of the tutorial run as they stand, against a real server."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serving import SharedServer

DOCS = Path(__file__).resolve().parents[2] / "docs"
PROGRAM = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROGRAMS = [
    program for page in ("client.md", "tutorial.md") for program in PROGRAM.findall((DOCS / page).read_text("utf-8"))
]
TOLD = {
    "async": "What is a half?\ncompleted: Usage(",
    "refused": "conversation_not_found - ",
    "blocking": "What is a half?",
    "remembers": "My name is Ada. What is a fraction?\nWhat is my name?\n['user', 'assistant', 'user', 'assistant']",
    "survives": "True - completed",
    "shown": "system: Answer in one sentence.\nuser: What is a lease?",
}
"""How what each of them prints begins; the model echoes."""
LIGHT = """
import sys, conversation_engine.client
heavy = {"aiohttp", "anthropic", "fastapi", "openai", "sqlalchemy", "starlette", "streamlit", "typer", "uvicorn"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""


@pytest.mark.parametrize(("program", "told"), [*zip(PROGRAMS, TOLD.values(), strict=True)], ids=list(TOLD))
async def test_it_runs(
    program: str,
    told: str,
    *,
    server: SharedServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("CE_SERVER", server.url)
    monkeypatch.setenv("CE_TOKEN", server.token("docs"))
    await asyncio.to_thread(exec, compile(program, told, "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out.startswith(told)


def test_importing_the_client_imports_no_framework_and_no_engine() -> None:
    subprocess.run([sys.executable, "-c", LIGHT], check=True, timeout=60)
