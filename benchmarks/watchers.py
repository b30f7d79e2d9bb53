"""Two thousand people watch one reply: what each of them costs, and whether all of them hear it."""

import asyncio
import json
import resource
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.processes import Server
from benchmarks.product import product_server, token_for
from benchmarks.table import Bar, print_table
from benchmarks.upstream import HEAD, WORDS, tail

WATCHERS = 2000
AT_ONCE = 50
"""Connections that are being opened at the same time."""
WARMING = 100
"""Watchers of a turn before the one that is measured: what is loaded or grown once is no cost of a watcher."""
MOST_KB = 50.0
MOST_SECONDS = 5.0
_LIMIT_BYTES = 4096
"""Of each reader here, so that this process stays small."""


class _HeldModel:
    """A model service in this process: one word, then silence until it is told to go on."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
        writer.write(HEAD + WORDS[0])
        await self.go_on.wait()
        writer.write(b"".join(WORDS[1:]) + tail(0))
        await writer.drain()
        writer.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Result:
    kb_each: float
    cpu_ms_each: float
    """To connect one."""
    served: int
    """Watchers that heard the whole reply."""
    seconds: float
    """From the model's last word until the last of them had heard it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Client:
    """Raw HTTP/1.1: a client library would weigh more than what is measured."""

    port: int
    token: str
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    """Kept: one that nobody holds closes its connection."""

    async def open(self, method: str, path: str, body: bytes = b"", *, accept: str = "*/*") -> asyncio.StreamReader:
        """Send a request; the reader stands where its answer begins."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=_LIMIT_BYTES)
        self.writers.append(writer)
        lines = [f"{method} {path} HTTP/1.1", "host: localhost", f"accept: {accept}", "connection: close"]
        lines += [f"authorization: Bearer {self.token}", "content-type: application/json"]
        writer.write("\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode() + body)
        return reader

    async def post(self, path: str) -> str:
        """The id of what was made."""
        answer = await (await self.open("POST", path, b"{}")).read()
        made: str = json.loads(answer.partition(b"\r\n\r\n")[2])["id"]
        return made


def measure(is_tiny: bool) -> list[Bar]:
    """Print kilobytes a watcher and how many heard the whole reply."""
    _allow_open_files()
    with tempfile.TemporaryDirectory() as folder:
        count = 20 if is_tiny else WATCHERS
        result = asyncio.run(_measure(Path(folder), count))
    print_table(
        "watchers: of one running turn, on one worker",
        ["watchers", "kB each", "CPU ms to connect", "heard all of it", "s until the last had"],
        [
            [
                f"{count:,}",
                f"{result.kb_each:.1f}",
                f"{result.cpu_ms_each:.1f}",
                f"{result.served:,}",
                f"{result.seconds:.2f}",
            ]
        ],
    )
    return [
        Bar(name="kB a watcher", measured=result.kb_each, limit=MOST_KB),
        Bar(name="watchers that heard the whole reply", measured=result.served, limit=count, is_ceiling=False),
        Bar(name="until the last had heard it", measured=result.seconds, limit=MOST_SECONDS, unit=" s"),
    ]


def _allow_open_files() -> None:
    """As many as the system lets us have, here and in the server, which inherits it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _measure(data_dir: Path, count: int) -> _Result:
    model = _HeldModel()
    upstream = await asyncio.start_server(model.answer, "127.0.0.1", 0)
    port = upstream.sockets[0].getsockname()[1]
    with product_server(data_dir, upstream_port=port) as server:
        client = _Client(port=server.port, token=token_for(data_dir))
        await _watched(server, client, model, min(count, WARMING))
        result = await _watched(server, client, model, count)
        for writer in client.writers:
            writer.close()
    upstream.close()
    return result


async def _watched(server: Server, client: _Client, model: _HeldModel, count: int) -> _Result:
    """One turn, from its first word to the moment when every watcher has heard its end."""
    model.go_on.clear()
    path = f"/conversations/{await client.post('/conversations')}/turns"
    asked = await client.open("POST", path, b'{"content": "Hello"}', accept="text/event-stream")
    turn_id = json.loads((await _read_until(asked, b"word0 ")).split(b"data: ")[1].split(b"\n")[0])["id"]
    gate = asyncio.Semaphore(AT_ONCE)

    async def watch() -> asyncio.StreamReader:
        async with gate:
            reader = await client.open("GET", f"{path}/{turn_id}/events")
            await _read_until(reader, b"word0 ")
            return reader

    before_kb, before_cpu = server.resident_kb(), server.cpu_seconds()
    readers = await asyncio.gather(*(watch() for _ in range(count)))
    kb, cpu = server.resident_kb() - before_kb, server.cpu_seconds() - before_cpu
    started = time.perf_counter()
    model.go_on.set()
    heard = await asyncio.gather(*(_has_heard_all(reader) for reader in readers))
    seconds = time.perf_counter() - started
    await asked.read()
    return _Result(kb_each=kb / count, cpu_ms_each=cpu * 1000 / count, served=sum(heard), seconds=seconds)


async def _read_until(reader: asyncio.StreamReader, mark: bytes) -> bytes:
    """What comes up to and including `mark`."""
    seen = b""
    while mark not in seen:
        piece = await reader.read(_LIMIT_BYTES)
        if not piece:
            raise RuntimeError(f"{mark!r} never came: {seen[:300]!r}")
        seen += piece
    return seen


async def _has_heard_all(reader: asyncio.StreamReader) -> bool:
    rest = await reader.read()
    return b"event: turn.completed" in rest and f"word{len(WORDS) - 1} ".encode() in rest
