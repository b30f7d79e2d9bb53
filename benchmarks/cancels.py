"""How soon the model is left when somebody cancels, on the process that runs the turn and on another one."""

import asyncio
import contextlib
import json
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from benchmarks.product import product_server, token_for
from benchmarks.signals import valkey_server
from benchmarks.stores import postgres_store
from benchmarks.table import Bar, print_table
from benchmarks.upstream import HEAD, WORDS

CANCELS = 100
MOST_MS = 250.0
KINDS = ("SQLite, the same process", "PostgreSQL, another one, NOTIFY", "PostgreSQL, another one, Valkey")
_LATE_SECONDS = 10.0


class _EndlessModel:
    """A model service in this process: one word, then silence until it is left."""

    def __init__(self) -> None:
        self._left: asyncio.Queue[float] = asyncio.Queue()

    async def left_at(self) -> float:
        """When the next call was hung up, on the monotonic clock."""
        async with asyncio.timeout(_LATE_SECONDS):
            return await self._left.get()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
        writer.write(HEAD + WORDS[0])
        with contextlib.suppress(ConnectionError):
            await reader.read()
        self._left.put_nowait(time.monotonic())
        writer.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fleet:
    """Where turns are asked for, and where they are cancelled."""

    asked: str
    cancelled: str
    token: str


def measure(is_tiny: bool) -> list[Bar]:
    """Print milliseconds from the request to cancel until the model service sees its connection closed."""
    count, kinds = (2, KINDS[:1]) if is_tiny else (CANCELS, KINDS)
    times = asyncio.run(_measure(kinds, count))
    rows = [
        [kind, f"{statistics.median(own):.1f}", f"{_p95(own):.1f}", f"{max(own):.1f}"] for kind, own in times.items()
    ]
    print_table("cancels: until the model's connection is closed", ["asked of", "p50 ms", "p95 ms", "max ms"], rows)
    return [
        Bar(name=f"cancel, p95: {kind}", measured=_p95(own), limit=MOST_MS, unit=" ms") for kind, own in times.items()
    ]


def _p95(own: list[float]) -> float:
    return sorted(own)[min(len(own) - 1, int(len(own) * 0.95))]


async def _measure(kinds: tuple[str, ...], count: int) -> dict[str, list[float]]:
    model = _EndlessModel()
    service = await asyncio.start_server(model.answer, "127.0.0.1", 0)
    port = service.sockets[0].getsockname()[1]
    times = {}
    async with service, aiohttp.ClientSession() as http:
        for kind in kinds:
            async with _fleet(kind, port) as fleet:
                times[kind] = [await _cancel_ms(http, fleet, model) for _ in range(count)]
    return times


async def _cancel_ms(http: aiohttp.ClientSession, fleet: _Fleet, model: _EndlessModel) -> float:
    headers = {"authorization": f"Bearer {fleet.token}", "accept": "text/event-stream"}
    async with http.post(f"{fleet.asked}/conversations", json={}, headers=headers) as made:
        turns = f"/conversations/{(await made.json())['id']}/turns"
    async with http.post(fleet.asked + turns, json={"content": "Go on."}, headers=headers) as stream:
        turn_id = await _first_word(stream)
        began = time.monotonic()
        async with http.post(f"{fleet.cancelled}{turns}/{turn_id}/cancel", headers=headers) as cancelled:
            cancelled.raise_for_status()
        return (await model.left_at() - began) * 1000


async def _first_word(stream: aiohttp.ClientResponse) -> str:
    """The id of the turn, when a word of its reply was heard."""
    turn_id = ""
    async for line in stream.content:
        if line.startswith(b"data:"):
            told = json.loads(line[5:])
            if "text" in told:
                return turn_id
            turn_id = told["id"]
    raise AssertionError("the stream ended without a word")


@contextlib.asynccontextmanager
async def _fleet(kind: str, port: int) -> AsyncIterator[_Fleet]:
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        data_dir = Path(folder)
        fleet = await asyncio.to_thread(stack.enter_context, _servers(kind, data_dir, port))
        yield fleet


@contextlib.contextmanager
def _servers(kind: str, data_dir: Path, port: int) -> Iterator[_Fleet]:
    with contextlib.ExitStack() as stack:
        more: Mapping[str, str] = {}
        if "PostgreSQL" in kind:
            more = {"CE_DATABASE_URL": stack.enter_context(postgres_store()).url}
        if "Valkey" in kind:
            more = {**more, "CE_VALKEY_URL": stack.enter_context(valkey_server())}
        count = 2 if "another" in kind else 1
        servers = [stack.enter_context(product_server(data_dir, upstream_port=port, more=more)) for _ in range(count)]
        asked, cancelled = (f"http://127.0.0.1:{server.port}" for server in (servers[0], servers[-1]))
        yield _Fleet(asked=asked, cancelled=cancelled, token=token_for(data_dir))
