"""The five-minute tour of the README works as it is written, word for word but for the port."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import until

ROOT = Path(__file__).resolve().parents[1]
TOUR = re.findall(r"^```sh\n(.*?)^```$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
PORT = "8000"

pytestmark = [pytest.mark.local_model, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A new user's, who has not come here through `make test ARGS=…`."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return outside | {"CE_DATA_DIR": str(tmp_path / "data")}


@contextlib.contextmanager
def running(environment: dict[str, str], port: str) -> Iterator[subprocess.Popen[bytes]]:
    """`make run`, stopped by Ctrl-C, as in a terminal: the whole group hears it."""
    command = ["make", "run", f"PORT={port}"]
    server = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        yield server
        os.killpg(server.pid, signal.SIGINT)
        server.wait(5)
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def is_up(port: str) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=10).close()
    except OSError:  # nobody there yet, or too busy with its start
        return False
    return True


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return str(listener.getsockname()[1])


def talk(script: str, environment: dict[str, str]) -> str:
    told = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert told.returncode == 0, told.stderr
    return told.stdout


def documents_in(text: str) -> list[dict[str, Any]]:
    """JSON objects, one right after the other."""
    documents, at = [], text.find("{")
    while at >= 0:
        document, end = json.JSONDecoder().raw_decode(text, at)
        documents.append(document)
        at = text.find("{", end)
    return documents


async def test_the_tour(environment: dict[str, str]) -> None:
    sign_in, stream, ask, look, pipe = TOUR
    port = free_port()
    prelude = sign_in.replace(PORT, port)
    with running(environment, port):
        await until(lambda: is_up(port), seconds=90)
        marks = "\necho; echo ═══\n"
        script = marks.join([prelude, stream, ask, look]).replace(f":{PORT}", f":{port}")
        _, streamed, asked, looked = talk(script, environment).split("═══")
    said = "".join(json.loads(line)["text"] for line in re.findall(r"event: reply\.delta\ndata: (.*)", streamed))
    answer = json.loads(asked)
    conversation, context = documents_in(looked)
    assert said
    assert "event: turn.completed" in streamed
    assert answer["state"] == "completed"
    assert [message["role"] for message in conversation["messages"]] == ["user", "assistant"] * 2
    assert conversation["messages"][1]["content"] == said
    assert conversation["messages"][3]["content"] == answer["message"]["content"]
    assert said in [message["content"] for message in context["messages"]]
    assert talk(pipe, environment).strip()
