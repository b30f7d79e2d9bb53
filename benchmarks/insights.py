"""Statistics and search beside a million messages: what people wait for, and what keeping sums and index takes."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Literal, NamedTuple

from pydantic import SecretStr
from sqlalchemy import insert, text

from benchmarks.databases import empty_database
from benchmarks.table import Bar, print_table
from conversation_engine.domains.conversations.models import ConversationModel, MessageModel
from conversation_engine.domains.llm.models import LlmRequestModel
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.engine.migrating import prepare
from conversation_engine.engine.settings import Settings
from conversation_engine.infra.ids import new_id
from conversation_engine.insights.search.types import Order
from conversation_engine.insights.statistics.types import Whose
from conversation_engine.kernel.ids import UserId
from conversation_engine.kernel.people import Principal, Role

MESSAGES = 1_000_000
MESSAGES_A_CONVERSATION = 20
WORDS_A_MESSAGE = 30
VOCABULARY = 20_000
OWNERS = 1000
HEAVY = UserId("owner-0")
HEAVY_SHARE = 0.05
"""One person said a twentieth of everything: 50,000 messages."""
ROUNDS = 40
SEARCH_MS = 50.0
OWN_STATISTICS_MS = 100.0
ALL_STATISTICS_MS = 1000.0
ROOT = Principal(user_id=UserId("root"), role=Role.ADMIN)
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


class _Talk(NamedTuple):
    talk: dict[str, Any]
    messages: list[dict[str, Any]]
    calls: list[dict[str, Any]]


def measure(is_tiny: bool) -> list[Bar]:
    """Both databases, one after the other."""
    bars: list[Bar] = []
    for kind in ("sqlite", "postgresql"):
        bars += asyncio.run(_measure(kind, 400 if is_tiny else MESSAGES, rounds=2 if is_tiny else ROUNDS))
    return bars


async def _measure(kind: Literal["sqlite", "postgresql"], messages: int, *, rounds: int) -> list[Bar]:
    with empty_database(kind) as url:
        settings = Settings(
            database_url=SecretStr(url), jobs_at_once=0, embedding_model="none", secret=SecretStr("x" * 40)
        )
        engine = ConversationEngine(settings)
        try:
            await prepare(engine.database, is_embedded=True)
            seconds = {"filled": await _timed(lambda: _fill(engine, messages))}
            seconds["added up"] = await _timed(engine.insights.folder.fold)
            seconds["indexed"] = await _timed(engine.insights.indexer.index)
            if kind == "postgresql":
                await engine.database.write(lambda tx: tx.execute(text("ANALYZE")))
            print_table(
                f"insights, {kind}, {messages:,} messages: seconds",
                list(seconds),
                [[f"{one:.1f}" for one in seconds.values()]],
            )
            return await _asked(engine, kind, messages, rounds=rounds)
        finally:
            await engine.aclose()


async def _asked(engine: ConversationEngine, kind: str, messages: int, *, rounds: int) -> list[Bar]:
    search, ask, dice = engine.insights.search, engine.insights.statistics, Random(5)
    heavy, light = Principal(user_id=HEAVY, role=Role.STUDENT), Principal(user_id=UserId("owner-7"), role=Role.STUDENT)
    words = _Words(dice)
    rare, common, phrase, prefix = words.rare, words.common, words.phrase, lambda: f"{words.rare()[:4]}*"
    period = ask.period(BEGIN, BEGIN + timedelta(days=60))
    days30 = ask.period(BEGIN + timedelta(days=30), BEGIN + timedelta(days=60))

    def sought(
        caller: Principal, query: Callable[[], str], order: Order = Order.NEWEST
    ) -> Callable[[], Awaitable[Any]]:
        return lambda: search.search(caller, query(), order=order)

    asked: dict[str, tuple[Callable[[], Awaitable[Any]], float]] = {
        "search, some words": (sought(light, rare), SEARCH_MS),
        "search, a word of everywhere": (sought(light, common), SEARCH_MS),
        "search, 50,000 own messages, some words": (sought(heavy, rare), SEARCH_MS),
        "search, 50,000 own messages, a word of everywhere": (sought(heavy, common), SEARCH_MS),
        "search, 50,000 own messages, a phrase": (sought(heavy, phrase), SEARCH_MS),
        "search, 50,000 own messages, a beginning": (sought(heavy, prefix), SEARCH_MS),
        "search, 50,000 own messages, best first": (sought(heavy, rare, Order.BEST), SEARCH_MS),
        "statistics, own performance": (lambda: ask.performance(light, period), OWN_STATISTICS_MS),
        "statistics, own activity, 50,000 messages": (lambda: ask.activity(heavy, period), OWN_STATISTICS_MS),
        "statistics, everybody's overview": (lambda: ask.overview(ROOT, Whose.EVERYBODY), ALL_STATISTICS_MS),
        "statistics, everybody's activity, 30 days": (
            lambda: ask.activity(ROOT, days30, Whose.EVERYBODY),
            ALL_STATISTICS_MS,
        ),
        "statistics, everybody's engagement, 30 days": (
            lambda: ask.engagement(ROOT, days30, Whose.EVERYBODY),
            ALL_STATISTICS_MS,
        ),
    }
    bars, rows = [], []
    for name, (question, limit) in asked.items():
        times = sorted([await _timed(question) * 1000 for _ in range(rounds)])
        middle, slow = times[len(times) // 2], times[math.ceil(0.95 * len(times)) - 1]
        rows.append([name, f"{middle:.1f}", f"{slow:.1f}"])
        bars.append(
            Bar(name=f"insights, {kind}, {messages:,} messages: {name}, p95", measured=slow, limit=limit, unit=" ms")
        )
    print_table(f"insights, {kind}, {messages:,} messages: milliseconds", ["", "median", "p95"], rows)
    return bars


async def _timed(work: Callable[[], Awaitable[Any]]) -> float:
    began = time.perf_counter()
    await work()
    return time.perf_counter() - began


async def _fill(engine: ConversationEngine, messages: int) -> None:
    """Conversations of two months, in which a vocabulary is used as people use words: by Zipf."""
    talks = _talks(messages // MESSAGES_A_CONVERSATION)
    while batch := [talk for talk, _ in zip(talks, range(250), strict=False)]:

        def work(tx: Any, batch: Sequence[_Talk] = batch) -> None:
            tx.execute(insert(ConversationModel.__table__), [one.talk for one in batch])
            tx.execute(insert(MessageModel.__table__), [message for one in batch for message in one.messages])
            tx.execute(insert(LlmRequestModel.__table__), [call for one in batch for call in one.calls])

        await engine.database.write(work)


def _talks(count: int) -> Iterator[_Talk]:
    dice = Random(3)
    words = _Words(dice)
    for number in range(count):
        heavy = dice.random() < HEAVY_SHARE
        owner = HEAVY if heavy else UserId(f"owner-{1 + number % OWNERS}")
        yield _talk(owner, BEGIN + timedelta(seconds=number * 60 * 86_400 / count), words)


def _talk(owner: UserId, begin: datetime, words: "_Words") -> _Talk:
    talk_id, last, parent = new_id(), begin, None
    messages: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    for sequence in range(1, MESSAGES_A_CONVERSATION + 1):
        last, role = last + timedelta(seconds=30), "assistant" if sequence % 2 == 0 else "user"
        message: dict[str, Any] = {
            "id": new_id(),
            "conversation_id": talk_id,
            "owner_id": owner,
            "sequence_number": sequence,
        }
        message |= {"parent_id": parent, "role": role, "content": words.text(), "content_format": "text"}
        message |= {"status": "complete", "metadata": {}, "created_at": last}
        messages.append(message)
        parent = message["id"]
        if role == "assistant":
            call: dict[str, Any] = {
                "id": new_id(),
                "conversation_id": talk_id,
                "owner_id": owner,
                "attempt": 1,
                "provider": "p",
            }
            call |= {"model": "m", "parameters": {}, "status": "completed", "latency_ms": 900, "first_token_ms": 200}
            call |= {"input_tokens": 400, "output_tokens": 40, "cached_tokens": 0, "created_at": last}
            calls.append(call)
    talk: dict[str, Any] = {
        "id": talk_id,
        "owner_id": owner,
        "type": "general",
        "title": words.rare(),
        "status": "active",
    }
    talk |= {"metadata": {}, "message_count": len(messages), "last_sequence": len(messages), "active_leaf_id": parent}
    talk |= {"created_at": begin, "updated_at": last, "last_message_at": last}
    return _Talk(talk, messages, calls)


class _Words:
    """A vocabulary; the n-th word is said about 1/n as often as the first."""

    def __init__(self, dice: Random) -> None:
        own, letters = Random(11), "bcdfghklmnprstvwz"
        self._dice = dice
        self._all = [
            "".join(own.choice(letters) + own.choice("aeiou") for _ in range(2 + number % 3)) + str(number % 10)
            for number in range(VOCABULARY)
        ]
        self._often = [1 / (number + 1) for number in range(VOCABULARY)]
        self._drawn: list[str] = []

    def text(self) -> str:
        while len(self._drawn) < WORDS_A_MESSAGE:
            self._drawn += self._dice.choices(self._all, self._often, k=30_000)
        said, self._drawn = self._drawn[:WORDS_A_MESSAGE], self._drawn[WORDS_A_MESSAGE:]
        return " ".join(said)

    def rare(self) -> str:
        return self._all[self._dice.randrange(200, 5000)]

    def common(self) -> str:
        return self._all[self._dice.randrange(5)]

    def phrase(self) -> str:
        return f'"{self.common()} {self._all[self._dice.randrange(5, 100)]}"'
