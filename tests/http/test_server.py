"""The whole product as its users run it: a server process, a real model, a terminal's Ctrl-C, and a second start."""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from conversation_engine.engine.settings import Settings
from tests.conftest import SECRET, until
from tests.http.scenes import EVENT_STREAM, Event, conversation_of, events_in, new_conversation, text_of

pytestmark = [pytest.mark.local_model, pytest.mark.slow]

APPLICATION = "conversation_engine.entrypoints.http.app:create_app"
STOP_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running server process and Ada's client of it."""

    process: subprocess.Popen[bytes]
    client: httpx2.AsyncClient

    async def stop(self) -> float:
        """Press Ctrl-C; how many seconds it took to end, well."""
        started = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        code = await asyncio.to_thread(self.process.wait, 20)
        assert code in {0, -signal.SIGINT}, code  # uvicorn raises the signal again once all has ended
        return time.monotonic() - started


@contextlib.asynccontextmanager
async def running(settings: Settings, token: str, log: Path) -> AsyncIterator[Server]:
    """`uvicorn … --factory`, with nothing but settings of the environment."""
    environment = os.environ | {
        "CE_DATA_DIR": str(settings.data_dir),
        "CE_DATABASE_URL": settings.resolved_database_url,
        "CE_SECRET": SECRET,
        "CE_GRACE_SECONDS": "0.1",  # the small model may end its story within more
    }
    command = [sys.executable, "-m", "uvicorn", APPLICATION, "--factory", "--port", "0"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output, start_new_session=True)
    try:
        await until(lambda: "running on" in log.read_text() or process.poll() is not None, seconds=90)
        found = re.search(r"running on (http://127\.0\.0\.1:\d+)", log.read_text())
        assert found, log.read_text()
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx2.AsyncClient(base_url=found[1], headers=headers, timeout=60, trust_env=False) as client:
            yield Server(process=process, client=client)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


async def asked(server: Server, conversation_id: str, content: str, **fields: object) -> AsyncIterator[Event]:
    """A streamed turn, event by event."""
    path, body = f"/conversations/{conversation_id}/turns", {"content": content, **fields}
    async with server.client.stream("POST", path, json=body, headers=EVENT_STREAM) as response:
        assert response.status_code == 200
        async for event in events_in(response):
            yield event


async def test_words_come_one_by_one_and_the_next_start_remembers_them(
    settings: Settings, token_of: Callable[[str], str], tmp_path: Path
) -> None:
    token = token_of("ada")
    async with running(settings, token, tmp_path / "first.log") as server:
        conversation_id = (await new_conversation(server.client, system_prompt="You are a helpful assistant."))["id"]
        events, arrivals = [], []
        async for event in asked(server, conversation_id, "Why is the sea salty?", max_tokens=40):
            events.append(event)
            arrivals.append(time.monotonic())
        deltas = [event for event in events if event.name == "reply.delta"]
        assert len(deltas) > 5
        assert arrivals[-1] - arrivals[1] > 0.05, "all of it came at once"
        assert events[-1].name == "turn.completed"
        assert text_of(events) == events[-1].data["message"]["content"]
        assert (await conversation_of(server.client, conversation_id))["messages"][-1]["content"] == text_of(events)

        cut = []
        stopping: asyncio.Task[float] | None = None
        async for event in asked(server, conversation_id, "Tell me a very long story.", max_tokens=1500):
            cut.append(event)
            if event.name == "reply.delta" and stopping is None:
                stopping = asyncio.create_task(server.stop())
        assert stopping
        assert cut[-1].name == "turn.interrupted", cut[-1].raw
        assert await stopping < STOP_SECONDS

    async with running(settings, token, tmp_path / "second.log") as server:
        stored = (await conversation_of(server.client, conversation_id))["messages"]
        assert [message["status"] for message in stored] == ["complete", "complete", "complete", "partial"]
        assert stored[-1]["content"] == text_of(cut)
        after = [event async for event in asked(server, conversation_id, "Go on.", max_tokens=8)]
        turn = f"/conversations/{conversation_id}/turns/{after[0].data['id']}"
        manifest = (await server.client.get(f"{turn}/manifest")).json()
        assert (manifest["sent"]["first"], manifest["sent"]["last"], manifest["sent"]["count"]) == (1, 5, 5)
        assert await server.stop() < STOP_SECONDS
