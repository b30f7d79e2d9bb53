"""The programs of the guide run as they stand, against a real server."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serving import SharedServer

PAGE = Path(__file__).resolve().parents[2] / "docs" / "client.md"
PROGRAMS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
TOLD = ["What is a half?\ncompleted: Usage(", "conversation_not_found - ", "What is a half?"]
"""How each begins; the model echoes."""
LIGHT = """
import sys, conversation_engine.client
heavy = {"aiohttp", "anthropic", "fastapi", "openai", "sqlalchemy", "starlette", "streamlit", "typer", "uvicorn"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""


@pytest.mark.parametrize(("program", "told"), [*zip(PROGRAMS, TOLD, strict=True)], ids=["async", "refused", "blocking"])
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
    await asyncio.to_thread(exec, compile(program, str(PAGE), "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out.startswith(told)


def test_importing_the_client_imports_no_framework_and_no_engine() -> None:
    subprocess.run([sys.executable, "-c", LIGHT], check=True, timeout=60)
