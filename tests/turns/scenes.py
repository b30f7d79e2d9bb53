"""What tests of turns have in common: a model that does as it is told, and ways to look at what is stored."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import text

from conversation_engine.domains.conversations.types import Conversation, Message, NewConversation
from conversation_engine.domains.llm.errors import ModelError
from conversation_engine.domains.llm.types import ModelEvent, ModelRequest, ReplyFinished, TextDelta
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.kernel.ids import ConversationId, UserId
from conversation_engine.turns.types import NewTurn, ReplyDelta, Turn, TurnDetail, TurnEnded, TurnEvent

ADA = UserId("ada")


class ToldModel:
    """A provider that says what the test tells it, when the test tells it; one call at a time."""

    name = "scripted"

    def __init__(self) -> None:
        self._lines: asyncio.Queue[str | ModelError | None] = asyncio.Queue()
        self.calls = 0
        self.closed = 0
        """How many streams were closed before they had finished."""

    def say(self, *words: str) -> None:
        """Stream each as a delta of its own."""
        for word in words:
            self._lines.put_nowait(word)

    def finish(self) -> None:
        """End the reply well."""
        self._lines.put_nowait(None)

    @property
    def has_unsaid(self) -> bool:
        """Whether there is something that it was told and has not said."""
        return not self._lines.empty()

    def break_with(self, error: ModelError) -> None:
        """End the reply badly."""
        self._lines.put_nowait(error)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        self.calls += 1
        try:
            while (line := await self._lines.get()) is not None:
                if isinstance(line, ModelError):
                    raise line
                yield TextDelta(text=line)
        except (GeneratorExit, asyncio.CancelledError):
            self.closed += 1
            raise
        yield ReplyFinished(finish_reason="stop", usage=None)

    async def warm_up(self) -> None:
        return None

    async def aclose(self) -> None:
        return None


class Watcher:
    """Somebody who follows a turn in a task of its own."""

    def __init__(self, engine: ConversationEngine, turn: Turn, *, after: int = 0) -> None:
        self.text = ""
        self.offsets: list[int] = []
        self.ended: TurnEnded | None = None
        self._changed = asyncio.Condition()
        self._after = after
        self._task = asyncio.create_task(self._watch(engine, turn))

    async def has_seen(self, text: str) -> None:
        """Wait until exactly `text` was shown."""
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(lambda: self.text == text)

    async def end(self) -> TurnEnded:
        """Wait for the last event."""
        async with asyncio.timeout(10):
            await self._task
        assert self.ended is not None
        return self.ended

    async def leave(self) -> None:
        """Stop watching in the middle."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _watch(self, engine: ConversationEngine, turn: Turn) -> None:
        async for event in engine.turns.follow(turn, after=self._after):
            async with self._changed:
                self._hear(event)
                self._changed.notify_all()

    def _hear(self, event: TurnEvent) -> None:
        if isinstance(event, ReplyDelta):
            self.text += event.text
            self.offsets.append(event.offset)
        elif isinstance(event, TurnEnded):
            self.ended = event


async def begin(engine: ConversationEngine, **fields: Any) -> Conversation:
    """A new conversation of Ada's."""
    return await engine.conversations.create(NewConversation(owner_id=ADA, **fields))


async def ask(engine: ConversationEngine, conversation_id: ConversationId, content: Any = "hi", **fields: Any) -> Turn:
    """Ada says something and wants it answered."""
    return await engine.turns.submit(NewTurn(conversation_id=conversation_id, owner_id=ADA, content=content, **fields))


async def answered(engine: ConversationEngine, turn: Turn) -> TurnDetail:
    """How the turn ended; it must within ten seconds."""
    async with asyncio.timeout(10):
        return await engine.turns.wait(turn)


async def left_alone(turn: Turn) -> None:
    """Wait until nothing is done any more after a turn that has ended, beside jobs."""
    async with asyncio.timeout(20):
        await asyncio.gather(*(task for task in asyncio.all_tasks() if task.get_name() == f"turn-{turn.id}"))


async def collect(engine: ConversationEngine, turn: Turn, *, after: int = 0) -> tuple[list[ReplyDelta], TurnEnded]:
    """A whole stream: its deltas and its end."""
    async with asyncio.timeout(10):
        events = [event async for event in engine.turns.follow(turn, after=after)]
    ended = events[-1]
    assert isinstance(ended, TurnEnded)
    return [event for event in events if isinstance(event, ReplyDelta)], ended


async def messages_of(engine: ConversationEngine, conversation_id: ConversationId) -> Sequence[Message]:
    """What is stored of a conversation, in order."""
    page = await engine.conversations.list_messages(conversation_id, owner_id=ADA, limit=200)
    return page.items


async def rows(engine: ConversationEngine, query: str, **values: Any) -> list[dict[str, Any]]:
    """Rows as the database has them, past every service and repository."""
    return await engine.database.read(lambda tx: [dict(row) for row in tx.execute(text(query), values).mappings()])


async def count(engine: ConversationEngine, table: str) -> int:
    """How many rows a table has."""
    [row] = await rows(engine, f"SELECT count(*) AS n FROM {table}")
    return int(row["n"])


async def checkpointed(engine: ConversationEngine) -> str:
    """What is durable of running replies."""
    pieces = await rows(engine, "SELECT text FROM reply_checkpoints ORDER BY start_offset")
    return "".join(piece["text"] for piece in pieces)


@asynccontextmanager
async def opened(engine: ConversationEngine) -> AsyncIterator[ConversationEngine]:
    """An engine for part of a test."""
    async with engine:
        yield engine


async def told_by(engine: ConversationEngine) -> dict[str, float]:
    """What the metrics say, by sample, without what stands at zero."""
    lines = (await engine.meter.page()).decode().splitlines()
    samples = [line.rpartition(" ") for line in lines if not line.startswith("#")]
    return {name: float(value) for name, _, value in samples if float(value)}
