"""What our side of a model's stream costs, beside a bare loop: the same HTTP client, and `from_json` of every line.

Both read the same stub, in turns, in one process; the figures are CPU time, the bars are ratios.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import aiohttp
import pydantic_core
import structlog

from benchmarks.product import upstream_server
from benchmarks.table import Bar, print_table
from benchmarks.upstream import CHUNKS
from conversation_engine.domains.llm.catalog import Family, ModelCatalog
from conversation_engine.domains.llm.providers.openai_chat import OpenAIChatProvider
from conversation_engine.domains.llm.service import LlmService, ModelCall
from conversation_engine.domains.llm.types import LLMMessage, ModelRequest, Sampling
from conversation_engine.domains.llm.wire import ServiceClient
from conversation_engine.engine.settings import Settings
from conversation_engine.infra.ids import new_id
from conversation_engine.kernel.clock import SystemClock
from conversation_engine.kernel.ids import ConversationId, TurnId, UserId

SHORT, LONG = 20, 200
"""Messages of history."""
DELAYS_MS = (0.0, 2.0)
"""Between two chunks: as fast as the socket takes them, and each alone, as tokens come. The worse one is judged."""


NAMES = (
    f"bare loop, {SHORT} messages",
    f"OpenAIChatProvider, {SHORT} messages",
    f"OpenAIChatProvider, {LONG} messages",
    f"LlmService.answer (timeouts, slots, circuit, record), {SHORT} messages",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How many replies are behind a figure: `rounds` medians of `replies`."""

    rounds: int
    replies: int


Work = Callable[[], Awaitable[None]]


def measure(is_tiny: bool) -> list[Bar]:
    """Print milliseconds of CPU a reply and give the two bars."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    sizes = Sizes(rounds=1, replies=2) if is_tiny else Sizes(rounds=9, replies=12)
    rows, beside_bare, beside_short = [], [], []
    for delay_ms in DELAYS_MS:
        with upstream_server(delay_ms=delay_ms) as upstream:
            millis = asyncio.run(_all(f"http://127.0.0.1:{upstream.port}/v1", sizes))
        bare, short, long, _ = millis
        beside_bare.append(short / bare)
        beside_short.append(long / short)
        rows += [
            [f"{name}, {delay_ms:g} ms apart", f"{one:.2f}", f"{one / bare:.2f}"]
            for name, one in zip(NAMES, millis, strict=True)
        ]
    print_table("model stream", [f"ms of CPU a reply of {CHUNKS} chunks", "ms", "of bare"], rows)
    return [
        Bar(name="model stream: our adapter beside a bare loop", measured=max(beside_bare), limit=2.0, unit="x"),
        Bar(name="model stream: 200 messages beside 20", measured=max(beside_short), limit=1.5, unit="x"),
    ]


async def _all(base_url: str, sizes: Sizes) -> Sequence[float]:
    client = ServiceClient(Settings())
    provider = OpenAIChatProvider(client, name="openai", base_url=base_url, api_key="x")
    catalog = ModelCatalog({"openai": Family(provider=provider, context_tokens=128_000)}, default="openai/stub")
    service = LlmService(catalog, clock=SystemClock(), settings=Settings())
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        works: Sequence[Work] = (
            lambda: _bare(session, f"{base_url}/chat/completions", _history(SHORT)),
            lambda: _provided(provider, _history(SHORT)),
            lambda: _provided(provider, _history(LONG)),
            lambda: _answered(service, _history(SHORT)),
        )
        found = [[await _millis(work, sizes) for work in works] for _ in range(sizes.rounds)]
    await catalog.aclose()
    return [median(column) for column in zip(*found, strict=True)]


async def _millis(work: Work, sizes: Sizes) -> float:
    await work()
    started = time.process_time()
    for _ in range(sizes.replies):
        await work()
    return (time.process_time() - started) * 1000 / sizes.replies


def _history(count: int) -> Sequence[LLMMessage]:
    words = "said before " * 15
    return [LLMMessage(role="assistant" if i % 2 else "user", content=words) for i in range(count)]


async def _bare(session: aiohttp.ClientSession, url: str, messages: Sequence[LLMMessage]) -> None:
    body: dict[str, Any] = {
        "model": "stub",
        "messages": [{"role": message.role, "content": message.content} for message in messages],
        "stream": True,
    }
    headers = {"content-type": "application/json", "authorization": "Bearer x"}
    text = []
    async with session.post(url, data=pydantic_core.to_json(body), headers=headers) as response:
        async for line in response.content:
            if line.startswith(b"data: {"):
                for choice in pydantic_core.from_json(line[6:])["choices"]:
                    text.append(choice["delta"].get("content") or "")
    if not "".join(text):
        raise AssertionError("the stub said nothing")


async def _provided(provider: OpenAIChatProvider, messages: Sequence[LLMMessage]) -> None:
    async for _ in provider.stream(ModelRequest(model="stub", messages=messages, sampling=Sampling())):
        pass


async def _answered(service: LlmService, messages: Sequence[LLMMessage]) -> None:
    call = ModelCall(
        conversation_id=ConversationId(new_id()),
        owner_id=UserId("bench"),
        turn_id=TurnId(new_id()),
        attempt=1,
        card=service.card(None),
        messages=messages,
        sampling=Sampling(),
        input_tokens=1000,
    )
    answer = await service.answer(call, on_text=lambda text: None)
    if answer.error is not None:
        raise answer.error
