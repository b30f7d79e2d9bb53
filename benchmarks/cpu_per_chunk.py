"""CPU per streamed chunk, stage by stage: a chunk is one `data:` event of the model service."""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from benchmarks.load import Load, send_from_a_process
from benchmarks.product import product_server, token_for, upstream_server
from benchmarks.table import Bar, print_table
from benchmarks.talking import StorePath, Talker, talker
from benchmarks.upstream import CHUNKS
from conversation_engine.domains.llm.providers.openai_chat import OpenAIChatProvider
from conversation_engine.domains.llm.types import LLMMessage, ModelRequest, Sampling
from conversation_engine.domains.llm.wire import ServiceClient
from conversation_engine.engine.settings import Settings
from conversation_engine.infra.ids import new_id
from conversation_engine.kernel.ids import TurnId
from conversation_engine.turns.live import LiveReply
from conversation_engine.turns.reply_log import ReplyLog
from conversation_engine.turns.schemas import frame_of
from conversation_engine.turns.types import ReplyDelta

DELAYS_MS = (0.0, 2.0)
"""All at once, as a fast service or a proxy sends them; and one by one, as tokens come."""
CONNECTIONS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How many replies are behind a figure."""

    replies: int
    turns: int
    """Per connection, of the server's load."""


def measure(is_tiny: bool) -> list[Bar]:
    """Print microseconds of CPU a chunk. No bars: it tells where to look."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    sizes = Sizes(replies=2, turns=2) if is_tiny else Sizes(replies=60, turns=20)
    delays_ms = DELAYS_MS[: 1 if is_tiny else None]
    stages: dict[str, list[float]] = {}
    for delay_ms in delays_ms:
        with upstream_server(delay_ms=delay_ms) as upstream:
            decode = asyncio.run(_decode(upstream.port, sizes))
            server = _server(upstream.port, sizes)
        log, follow = asyncio.run(_log_and_follow(delay_ms / 1000, sizes))
        for name, micros in (
            ("upstream: socket, HTTP, JSON (OpenAIChatProvider)", decode),
            ("LiveReply.append and the reply log, commits included", log),
            ("follow and frame_of, one watcher", follow),
            ("whole server, 8 connections: all of it, turn included", server),
        ):
            stages.setdefault(name, []).append(micros)
    header = ["µs of CPU a chunk, 64 chunks a reply", *(f"{delay:g} ms apart" for delay in delays_ms)]
    print_table("cpu per chunk", header, [[name, *(f"{m:.1f}" for m in micros)] for name, micros in stages.items()])
    return []


async def _micros_per_chunk(work: Callable[[], Awaitable[None]], replies: int) -> float:
    await work()
    started = time.process_time()
    for _ in range(replies):
        await work()
    return (time.process_time() - started) * 1e6 / (replies * CHUNKS)


async def _decode(port: int, sizes: Sizes) -> float:
    url = f"http://127.0.0.1:{port}/v1"
    provider = OpenAIChatProvider(ServiceClient(Settings()), name="openai", base_url=url, api_key="x")
    request = ModelRequest(model="stub", messages=[LLMMessage(role="user", content="?")], sampling=Sampling())

    async def reply() -> None:
        async for _ in provider.stream(request):
            pass

    micros = await _micros_per_chunk(reply, sizes.replies)
    await provider.aclose()
    return micros


async def _log_and_follow(pause_seconds: float, sizes: Sizes) -> tuple[float, float]:
    """What the process burns while it only waits for the next chunk is measured first and taken off."""
    with tempfile.TemporaryDirectory() as folder:
        async with talker(f"sqlite:///{folder}/bench.db") as speaker:
            idle = await _micros_per_chunk(lambda: _pauses(pause_seconds), sizes.replies)
            log = await _log(speaker, pause_seconds, sizes)
    follow = await _micros_per_chunk(lambda: _follow(pause_seconds), sizes.replies)
    return log - idle, follow - idle


async def _pauses(seconds: float) -> None:
    for _ in range(CHUNKS):
        await asyncio.sleep(seconds)


async def _tell_nobody(turn_id: TurnId) -> None:
    return None


async def _log(speaker: Talker, pause_seconds: float, sizes: Sizes) -> float:
    engine = speaker.engine
    path = StorePath(engine)
    runs = [await path.admitted(await speaker.new_conversation(), "?") for _ in range(sizes.replies + 1)]
    log = ReplyLog(
        engine.database,
        holder=path.holder,
        interval_seconds=engine.settings.checkpoint_interval_seconds,
        on_lost=lambda turn_id: None,
        on_durable=_tell_nobody,
    )
    log.start()

    async def reply() -> None:
        live = runs.pop().live
        for i in range(CHUNKS):
            live.append(f"word{i} ")
            log.note(live)
            await asyncio.sleep(pause_seconds)
        await log.settle(live)

    micros = await _micros_per_chunk(reply, sizes.replies)
    await log.aclose()
    return micros


async def _follow(pause_seconds: float) -> None:
    live = LiveReply(TurnId(new_id()), attempt=1)
    length = sum(len(f"word{i} ") for i in range(CHUNKS))

    async def watch() -> None:
        async for event in live.follow(0):
            frame_of(event)
            if isinstance(event, ReplyDelta) and event.offset == length:
                return

    watching = asyncio.create_task(watch())
    for i in range(CHUNKS):
        live.append(f"word{i} ")
        live.mark_durable(live.length)
        await asyncio.sleep(pause_seconds)
    await watching


def _server(upstream_port: int, sizes: Sizes) -> float:
    with tempfile.TemporaryDirectory() as folder, product_server(Path(folder), upstream_port=upstream_port) as server:
        token = token_for(Path(folder))
        send_from_a_process(Load(port=server.port, connections=2, turns=2, token=token))
        before = server.cpu_seconds()
        send_from_a_process(Load(port=server.port, connections=CONNECTIONS, turns=sizes.turns, token=token))
        return (server.cpu_seconds() - before) * 1e6 / (CONNECTIONS * sizes.turns * CHUNKS)
