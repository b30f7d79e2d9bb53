"""What it costs to come back to a reply that has ended: its stream, beside the same turn as JSON."""

import asyncio
import contextlib
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
from pydantic import SecretStr
from sqlalchemy import Engine, event

from benchmarks.product import token_for
from benchmarks.table import Bar, print_table
from conversation_engine.engine.settings import Settings
from conversation_engine.entrypoints.http.app import create_app
from conversation_engine.testing import Say, ScriptedModel

REPLY = "A word after a word. " * 5000
"""105,000 characters."""
ROUNDS = 200
MOST_STATEMENTS = 3
MOST_OVER_JSON = 2.0


def measure(is_tiny: bool) -> list[Bar]:
    """Print statements and milliseconds of resuming a finished reply of 100 kB."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_measure(Path(folder), rounds=3 if is_tiny else ROUNDS))


async def _measure(data_dir: Path, *, rounds: int) -> list[Bar]:
    async with _ada(data_dir) as client:
        turn = await _answered(client)
        kinds: dict[str, tuple[str, dict[str, str]]] = {
            "GET, JSON": (turn, {}),
            "stream from its start": (f"{turn}/events", {}),
            "stream from the last 100 characters": (f"{turn}/events", {"Last-Event-ID": str(len(REPLY) - 100)}),
        }
        times: dict[str, list[float]] = {name: [] for name in kinds}
        for _ in range(rounds):
            for name, (path, headers) in kinds.items():
                times[name].append(await _asked(client, path, headers))
        counts = {}
        for name, (path, headers) in kinds.items():
            with _counted() as statements:
                await _asked(client, path, headers)
            counts[name] = len(statements)
    plain = statistics.median(times["GET, JSON"])
    rows = [
        [name, f"{statistics.median(own):.2f}", f"{statistics.median(own) / plain:.2f}", str(counts[name])]
        for name, own in times.items()
    ]
    print_table("resume: a finished reply of 100 kB, SQLite, without the socket", ["", "ms", "× JSON", "stmts"], rows)
    whole = statistics.median(times["stream from its start"])
    most = max(count for name, count in counts.items() if name.startswith("stream"))
    return [
        Bar(name="statements of a resumption", measured=most, limit=MOST_STATEMENTS),
        Bar(name="the whole stream over plain JSON", measured=whole / plain, limit=MOST_OVER_JSON, unit=" ×"),
    ]


@contextlib.asynccontextmanager
async def _ada(data_dir: Path) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the application in this process, whose model says `REPLY`."""
    model = ScriptedModel()
    model.then(Say(REPLY))
    url = SecretStr(f"sqlite:///{data_dir}/resume.db")
    settings = Settings(data_dir=data_dir, database_url=url, model="scripted/model", log_level="WARNING")
    app = create_app(settings, providers={"scripted": model})
    headers = {"Authorization": f"Bearer {token_for(data_dir)}"}
    transport = httpx2.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as client,
    ):
        yield client


async def _answered(client: httpx2.AsyncClient) -> str:
    """The path of a turn that has ended."""
    conversation = (await client.post("/conversations", json={})).json()["id"]
    answer = await client.post(f"/conversations/{conversation}/turns", json={"content": "Say much."})
    if answer.json()["message"]["content"] != REPLY:
        raise RuntimeError("the reply is not what the model said")
    return f"/conversations/{conversation}/turns/{answer.json()['id']}"


async def _asked(client: httpx2.AsyncClient, path: str, headers: dict[str, str]) -> float:
    """Milliseconds until the whole answer was there."""
    started = time.perf_counter()
    answer = await client.get(path, headers=headers)
    took = (time.perf_counter() - started) * 1000
    if answer.status_code != httpx2.codes.OK or REPLY[-100:] not in answer.text:
        raise RuntimeError(f"not the reply: {answer.status_code}")
    return took


@contextlib.contextmanager
def _counted() -> Iterator[list[str]]:
    """The statements of every engine of this process meanwhile, transactions' own left out."""
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if not statement.startswith("BEGIN"):
            statements.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", note)
