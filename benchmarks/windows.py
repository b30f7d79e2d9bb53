"""What a window costs: flat in the length of the conversation, and what learning words costs in the background."""

import asyncio
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from sqlalchemy import event

from benchmarks.stores import Store, postgres_store, sqlite_store
from benchmarks.table import Bar, print_table
from benchmarks.talking import OWNER, Talker, talker
from benchmarks.texts import QUESTIONS, REPLIES
from conversation_engine.domains.conversations.types import MessageRole, NewMessage
from conversation_engine.domains.conversations.words.service import WordService
from conversation_engine.infra.db.database import Tx
from conversation_engine.infra.ids import new_id
from conversation_engine.kernel.ids import ConversationId, MessageId

MOST_GROWTH = 1.3
MOST_STATEMENTS = 4.0
BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much is measured."""

    short: int
    long: int
    windows: int
    messages: int
    """Learned in each of `rounds`."""
    rounds: int


FULL = Sizes(short=100, long=100_000, windows=60, messages=200, rounds=5)
TINY = Sizes(short=10, long=100, windows=3, messages=4, rounds=1)


def measure(is_tiny: bool) -> list[Bar]:
    """Print milliseconds and statements a window, and microseconds to learn a message."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    sizes = TINY if is_tiny else FULL
    bars: list[Bar] = []
    for open_store in (sqlite_store, postgres_store):
        with open_store() as store:
            bars += asyncio.run(_measure(store, sizes))
    return bars


async def _measure(store: Store, sizes: Sizes) -> list[Bar]:
    async with talker(store.url) as speaker:
        bars = await _growth(store, speaker, sizes)
        await _index(store, speaker, sizes)
    return bars


async def _growth(store: Store, speaker: Talker, sizes: Sizes) -> list[Bar]:
    """A window of the default strategy, recall included, alternating between a short and a long conversation."""
    talks = {length: await _talk(speaker, length) for length in (sizes.short, sizes.long)}
    times: dict[int, list[float]] = {length: [] for length in talks}
    for i in range(sizes.windows):
        for length, conversation_id in talks.items():
            started = time.perf_counter()
            await _window(speaker, conversation_id, QUESTIONS[i % len(QUESTIONS)])
            times[length].append((time.perf_counter() - started) * 1000)
    medians = {length: statistics.median(own) for length, own in times.items()}
    statements = await _statements(speaker, partial(_window, speaker, talks[sizes.long], QUESTIONS[0]))
    growth = medians[sizes.long] / medians[sizes.short]
    header = ["a window, median ms", *(f"{length:,} messages" for length in talks), "growth", "statements"]
    row = ["", *(f"{median:.2f}" for median in medians.values()), f"{growth:.2f}×", f"{statements}"]
    print_table(f"windows on {store.name}", header, [row])
    return [
        Bar(
            name=f"{store.name}, {sizes.long:,} over {sizes.short} messages",
            measured=growth,
            limit=MOST_GROWTH,
            unit=" ×",
        ),
        Bar(name=f"{store.name}, statements of a window", measured=statements, limit=MOST_STATEMENTS),
    ]


async def _index(store: Store, speaker: Talker, sizes: Sizes) -> None:
    """Learning the words of messages in the background, batch after batch."""
    times = []
    for _ in range(sizes.rounds):
        conversation_id = await speaker.new_conversation()
        texts = [(QUESTIONS, REPLIES)[i % 2][i % 64] for i in range(sizes.messages)]
        await speaker.engine.database.write(partial(_say, speaker, conversation_id, texts))
        started = time.perf_counter()
        await _learn(speaker, conversation_id)
        times.append((time.perf_counter() - started) / sizes.messages * 1e6)
    print_table(f"the index of words on {store.name}", ["µs a message", "learned"], [["", f"{min(times):.0f}"]])


async def _learn(speaker: Talker, conversation_id: ConversationId) -> None:
    words, is_done = WordService(), False
    while not is_done:
        conversation = await speaker.engine.conversations.get(conversation_id, owner_id=OWNER)
        is_done = await speaker.engine.database.write(
            partial(words.learn, conversation=conversation, through=conversation.last_sequence)
        )


async def _talk(speaker: Talker, messages: int) -> ConversationId:
    """A conversation whose words are all known; each word of a question is in nearly all of its messages."""
    conversation_id = await speaker.new_conversation()
    for start in range(0, messages, BATCH):
        texts = [(QUESTIONS, REPLIES)[i % 2][i % 64] for i in range(start, min(start + BATCH, messages))]
        await speaker.engine.database.write(partial(_say, speaker, conversation_id, texts))
    await _learn(speaker, conversation_id)
    return conversation_id


async def _window(speaker: Talker, conversation_id: ConversationId, question: str) -> None:
    await speaker.engine.turns.preview(conversation_id, owner_id=OWNER, query=question, model="scripted/model")


def _say(speaker: Talker, conversation_id: ConversationId, texts: Sequence[str], tx: Tx) -> None:
    for text in texts:
        message = NewMessage(id=MessageId(new_id()), role=MessageRole.USER, content=text, token_count=len(text) // 6)
        speaker.engine.conversations.append(tx, conversation_id, message, owner_id=OWNER)


async def _statements(speaker: Talker, work: Callable[[], Any]) -> int:
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if not statement.startswith("BEGIN") and "FROM conversations" not in statement.split("WHERE")[0]:
            statements.append(statement)

    engine = speaker.engine.database._engine  # type: ignore[attr-defined]
    engine = getattr(engine, "sync_engine", engine)
    event.listen(engine, "before_cursor_execute", note)
    try:
        await work()
    finally:
        event.remove(engine, "before_cursor_execute", note)
    return len(statements)
