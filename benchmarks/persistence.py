"""What it costs to store a turn, beside hand-written SQL for the same two messages."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

import structlog
from sqlalchemy import event

from benchmarks.stores import Store, postgres_store, sqlite_store
from benchmarks.table import Bar, print_table
from benchmarks.talking import StorePath, Talker, talker
from benchmarks.texts import QUESTIONS, REPLIES

MOST_OVER_FLOOR = 3.0
MOST_GROWTH = 1.2
MOST_BYTES = 2000.0
_TEXT_BYTES = (sum(map(len, QUESTIONS)) + sum(map(len, REPLIES))) / (2 * len(QUESTIONS))
"""Of the average message; ASCII."""

Turn = Callable[[str, str], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much is measured."""

    histories: tuple[int, ...]
    """Messages before the turns that are measured."""
    rounds: int
    samples: int
    """Turns of each round behind a median."""
    short: int
    long: int
    """Histories that are compared for flatness."""


FULL = Sizes(histories=(0, 200, 1000), rounds=3, samples=40, short=10, long=10_000)
TINY = Sizes(histories=(0, 10), rounds=1, samples=3, short=10, long=50)


def measure(is_tiny: bool) -> list[Bar]:
    """Print milliseconds a turn, growth and bytes, on both databases."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    sizes = TINY if is_tiny else FULL
    bars: list[Bar] = []
    for open_store in (sqlite_store, postgres_store):
        with open_store() as store:
            bars += asyncio.run(_measure(store, sizes))
    return bars


async def _measure(store: Store, sizes: Sizes) -> list[Bar]:
    async with aclosing(store.floor) as floor, talker(store.url) as speaker:
        await floor.open()
        bars = await _over_floor(store, speaker, sizes)
        return [*bars, await _growth(store, speaker, sizes)]


async def _over_floor(store: Store, speaker: Talker, sizes: Sizes) -> list[Bar]:
    """Each has the machine to itself for one long conversation, in turn, a few times over.

    Alternating turn by turn would measure how well each survives in the other's caches: on two cores the
    hand-written SQL then takes anything between 0.6 and 1.7 ms.
    """
    path = StorePath(speaker.engine)
    times: dict[str, list[list[float]]] = {"floor": [], "store path": [], "whole turn": []}
    turns_each = max(sizes.histories) // 2 + sizes.samples
    empty_bytes = store.size()
    turns: dict[str, Turn] = {}
    for _ in range(sizes.rounds):
        whole, stored = await speaker.new_conversation(), await speaker.new_conversation()
        await store.floor.new_conversation()
        turns = {
            "floor": store.floor.turn,
            "store path": partial(path.turn, stored),
            "whole turn": partial(speaker.turn, whole),
        }
        for name, turn in turns.items():
            times[name].append(await _course(turn, turns_each))
    messages = 4 * turns_each * sizes.rounds
    await speaker.engine.insights.indexer.index()  # what is kept of messages beside them counts, whenever it is written
    await speaker.engine.insights.folder.fold()
    overhead = (store.size() - empty_bytes) / messages - _TEXT_BYTES
    statements = {name: await _statements(speaker, turns[name]) for name in ("store path", "whole turn")}
    bars, rows = [], []
    for name, own in times.items():
        cells = [name]
        for history in sizes.histories:
            ratio = _at(own, history, sizes) / _at(times["floor"], history, sizes)
            cells.append(f"{_at(own, history, sizes):.2f} ({ratio:.1f}×)")
            if name == "store path":
                title = f"{store.name}, both transactions at {history} messages"
                bars.append(Bar(name=title, measured=ratio, limit=MOST_OVER_FLOOR, unit=" × floor"))
        rows.append([*cells, statements.get(name, "5 in 3 transactions")])
    header = ["median ms a turn at history", *map(str, sizes.histories), "statements"]
    print_table(f"persistence on {store.name}: one turn, beside hand-written SQL", header, rows)
    bars.append(
        Bar(name=f"{store.name}, bytes beyond the text", measured=overhead, limit=MOST_BYTES, unit=" B/message")
    )
    return bars


async def _course(turn: Turn, count: int) -> list[float]:
    """Milliseconds of each of `count` turns, one after the other."""
    times = []
    for i in range(count):
        started = time.perf_counter()
        await turn(QUESTIONS[i % len(QUESTIONS)], REPLIES[i % len(REPLIES)])
        times.append((time.perf_counter() - started) * 1000)
    return times


def _at(courses: list[list[float]], history: int, sizes: Sizes) -> float:
    start = history // 2 + (min(3, sizes.samples - 1) if history == 0 else 0)  # the first turns compile statements
    return statistics.median(chain.from_iterable(times[start : history // 2 + sizes.samples] for times in courses))


async def _growth(store: Store, speaker: Talker, sizes: Sizes) -> Bar:
    """A turn in a long conversation over one in a short conversation, alternating.

    The bar is on what is stored. A whole turn beside it also grows by a step, not with the length: from where something
    is left out of the window, older messages are looked for (`benchmarks.windows` holds that step flat).
    """
    path = StorePath(speaker.engine)
    lengths = (sizes.short, sizes.long)
    longest = await speaker.new_conversation(messages=sizes.long)
    await asyncio.to_thread(store.tidy)
    rows, growths = [], []
    for name, turn in (("both transactions", path.turn), ("whole turn", speaker.turn)):
        times: dict[int, list[float]] = {length: [] for length in lengths}
        for i in range(sizes.samples):
            # A short conversation does not stay short: each turn has a fresh one.
            for length in lengths:
                conversation = longest if length == sizes.long else await speaker.new_conversation(messages=length)
                started = time.perf_counter()
                await turn(conversation, QUESTIONS[i % len(QUESTIONS)], REPLIES[i % len(REPLIES)])
                times[length].append((time.perf_counter() - started) * 1000)
        medians = [statistics.median(times[length]) for length in lengths]
        growths.append(medians[1] / medians[0])
        rows.append([name, *(f"{m:.2f}" for m in medians), f"{growths[-1]:.2f}×"])
    header = ["median ms", *(f"{length:,} messages" for length in lengths), "growth"]
    print_table(f"persistence on {store.name}: flatness", header, rows)
    name = f"{store.name}, both transactions at {sizes.long:,} messages over {sizes.short}"
    return Bar(name=name, measured=growths[0], limit=MOST_GROWTH, unit=" ×")


async def _statements(speaker: Talker, turn: Turn) -> str:
    """How many statements and transactions one turn takes."""
    statements: list[str] = []
    commits: list[None] = []

    def note_statement(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if not statement.startswith("BEGIN"):
            statements.append(statement)

    def note_commit(_connection: Any) -> None:
        commits.append(None)

    engine = speaker.engine.database._engine  # type: ignore[attr-defined]
    engine = getattr(engine, "sync_engine", engine)
    listeners = (("before_cursor_execute", note_statement), ("commit", note_commit))
    for name, listener in listeners:
        event.listen(engine, name, listener)
    try:
        await turn(QUESTIONS[0], REPLIES[0])
    finally:
        for name, listener in listeners:
            event.remove(engine, name, listener)
    return f"{len(statements)} in {len(commits)} transactions"
