"""A model service on loopback that misbehaves as told: raw bytes over a real socket, nothing understood."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

CUT = object()
"""In a plan: reset the connection here."""
SILENCE = object()
"""In a plan: say nothing more, and keep the connection open."""
Plan = Sequence[bytes | object]

OPEN_STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"


@dataclass
class StubService:
    """What it was asked, and what it is to answer."""

    base_url: str
    plan: Plan = ()
    requests: list[dict[str, Any]] = field(default_factory=list)
    """The bodies, in order."""
    headers: list[str] = field(default_factory=list)
    """The heads, in order, lower case."""
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a caller closed a connection on which we were silent."""


@asynccontextmanager
async def running_stub() -> AsyncIterator[StubService]:
    """A service for the length of a test."""
    stub = StubService(base_url="")
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await _answer(stub, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    stub.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield stub
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _answer(stub: StubService, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    length = next(int(line.split(":")[1]) for line in head.split("\r\n") if line.startswith("content-length"))
    stub.headers.append(head)
    stub.requests.append(json.loads(await reader.readexactly(length)))
    for part in stub.plan:
        if part is CUT:
            writer.transport.abort()
            return
        if part is SILENCE:
            await reader.read()
            stub.closed.set()
            return
        assert isinstance(part, bytes)
        writer.write(part)
        await writer.drain()
        await asyncio.sleep(0)  # as a packet of its own, as far as the kernel likes


def refusal(status: int, body: bytes = b"", *, headers: str = "") -> Plan:
    """An answer other than a stream."""
    head = f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\n{headers}\r\n"
    return [head.encode() + body]


def openai_events(*pieces: str, finish: str | None = "stop", usage: dict[str, Any] | None = None) -> list[bytes]:
    """A reply in OpenAI's dialect, one event each."""
    chunks: list[dict[str, Any]] = [{"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}]
    chunks += [{"choices": [{"index": 0, "delta": {"content": piece}}]} for piece in pieces]
    if finish:
        chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    if usage:
        chunks.append({"choices": [], "usage": usage})
    return [*map(event, chunks), *([b"data: [DONE]\n\n"] if finish else [])]


def anthropic_events(*pieces: str, finish: str | None = "end_turn", usage: dict[str, Any] | None = None) -> list[bytes]:
    """A reply in Anthropic's dialect, one event each."""
    start = {"id": "m", "role": "assistant", "usage": {"input_tokens": 7, "output_tokens": 1, **(usage or {})}}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
    ]
    for piece in pieces:
        delta = {"type": "text_delta", "text": piece}
        events.append({"type": "content_block_delta", "index": 0, "delta": delta})
    if finish:
        events += [
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": finish}, "usage": {"output_tokens": 5}},
            {"type": "message_stop"},
        ]
    return [event(one, name=one["type"]) for one in events]


def event(document: dict[str, Any], *, name: str | None = None) -> bytes:
    """One server-sent event, its text as UTF-8 rather than escapes."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(document, ensure_ascii=False)}\n\n".encode()


EventsOf = Callable[..., list[bytes]]
