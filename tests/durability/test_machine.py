"""Whatever users do and whichever process dies, in any order: what was told stays true."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from pydantic import SecretStr

from conversation_engine.domains.conversations.types import BusyPolicy, Conversation
from conversation_engine.domains.llm.types import ModelEvent, ModelRequest, ReplyFinished, TextDelta
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.engine.settings import Settings
from conversation_engine.kernel.errors import EngineError
from conversation_engine.kernel.once import Once
from conversation_engine.testing import FakeClock
from conversation_engine.turns.errors import QueueFullError, TurnInProgressError
from conversation_engine.turns.types import NewTurn, ReplyDelta, Turn, TurnDetail, TurnEnded, TurnRestarted, TurnState
from tests.turns.scenes import ADA, begin, messages_of, rows

LEASE_SECONDS = 10.0
REPLICAS = 2
FINAL = ("completed", "failed", "cancelled", "interrupted")
SETTLED_SECONDS = 20.0


class Puppet:
    """A model of which no two calls say the same; it says more when it is told to, in whichever process it is asked."""

    name = "scripted"

    def __init__(self) -> None:
        self.said: dict[int, str] = {}
        """What each call has said."""
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()

    def say(self, text: str | None) -> None:
        """Say `text` in the running call, or end it."""
        self._lines.put_nowait(text)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        call = len(self.said)
        self.said[call] = f"{call}:"
        yield TextDelta(text=self.said[call])
        while (line := await self._lines.get()) is not None:
            self.said[call] += line
            yield TextDelta(text=line)
        yield ReplyFinished(finish_reason="stop", usage=None)

    async def warm_up(self) -> None:
        return None

    async def aclose(self) -> None:
        return None

    def is_of_one_call(self, text: str) -> bool:
        """Whether a reply, or the beginning of one, is (the beginning of) what one call has said."""
        call = text.partition(":")[0]
        return not text or (call.isdecimal() and self.said[int(call)].startswith(text))


@dataclass(eq=False)
class Reader:
    """Somebody who follows a turn, leaves and comes back."""

    turn: Turn
    """As it was known when the reading began; its attempt grows with each restart that was announced."""
    text: str = ""
    ended: TurnDetail | None = None
    task: asyncio.Task[None] | None = field(default=None, repr=False)

    async def read(self, engine: ConversationEngine) -> None:
        async for event in engine.turns.follow(self.turn, after=len(self.text)):
            match event:
                case ReplyDelta(text=text, offset=offset):
                    self.text += text
                    assert len(self.text) == offset
                case TurnRestarted(turn=turn):
                    assert turn.attempt >= self.turn.attempt  # the same: an offset cannot tell whose words it is in
                    self.turn, self.text = turn, ""
                case TurnEnded(detail=detail, offset=offset):
                    assert len(self.text) == offset
                    self.ended = detail


async def kill(engine: ConversationEngine) -> None:
    """Let nothing of it run on, and nothing be written down: what a dead process leaves is what was committed."""
    runner = engine.turns._runner
    tasks = [*runner._tasks.values(), *runner._lookers, *engine.turns._entering]
    tasks += [run.generation for run in runner._runs.values() if run.generation]
    if runner._reply_log._writer:
        tasks.append(runner._reply_log._writer)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, *(chore.aclose() for chore in runner._chores), return_exceptions=True)
    await engine._signals.aclose()
    await engine.database.aclose()


class Promises(RuleBasedStateMachine):
    """One conversation, two replicas that die and come back, any number of readers."""

    url: str
    turns = Bundle("turns")
    readers = Bundle("readers")
    gone = Bundle("gone")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = FakeClock()
        self.model = Puppet()
        self.engines: list[ConversationEngine] = []
        self.conversation: Conversation
        self.mode = "interrupt"
        self.told: dict[str, Turn] = {}
        """Every turn that was acknowledged, by its key."""
        self.all_readers: list[Reader] = []
        self.cancels: list[asyncio.Task[TurnDetail]] = []
        self.over: dict[str, TurnDetail] = {}
        """Turns that have ended, as they were when that was first seen."""

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        async def bounded() -> Any:
            async with asyncio.timeout(SETTLED_SECONDS):
                return await work

        return self.runner.run(bounded())

    def engine(self, which: int) -> ConversationEngine:
        return self.engines[which % len(self.engines)]

    async def open(self) -> None:
        changes: dict[str, Any] = {"recovery": self.mode, "lease_seconds": LEASE_SECONDS, "sweep_seconds": 60.0}
        settings = Settings(database_url=SecretStr(self.url), model="scripted/test", grace_seconds=0.0, **changes)
        engine = ConversationEngine(settings, providers={"scripted": self.model}, clock=self.clock)
        await engine.start()
        self.engines.append(engine)

    # ── what users do ──

    @initialize(mode=st.sampled_from(["interrupt", "retry"]))
    def start(self, mode: Literal["interrupt", "retry"]) -> None:
        async def work() -> None:
            self.mode = mode
            for _ in range(REPLICAS):
                await self.open()
            self.conversation = await begin(self.engine(0))

        self.run(work())

    @rule(target=turns, at=st.integers(0, 1), policy=st.sampled_from(BusyPolicy))
    def submit(self, at: int, policy: BusyPolicy) -> str | None:
        if policy is BusyPolicy.INTERRUPT and len(self.engines) < REPLICAS:
            policy = BusyPolicy.QUEUE  # the turn in the way may be a dead process's: that would be waited for
        return self.run(self._submit(self.engine(at), policy))

    @rule(target=turns, at=st.integers(0, 1), which=st.integers(0, 9))
    def edit(self, at: int, which: int) -> str | None:
        return self.run(self._submit(self.engine(at), BusyPolicy.QUEUE, edits=which))

    async def _submit(self, engine: ConversationEngine, policy: BusyPolicy, edits: int | None = None) -> str | None:
        key = f"question-{len(self.told)}"
        new = NewTurn(
            conversation_id=self.conversation.id,
            owner_id=ADA,
            content=key,
            on_busy=policy,
            once=Once.of(f"{self.conversation.id}/{key}", key),
        )
        said = [message for message in await messages_of(engine, self.conversation.id) if message.role == "user"]
        try:
            if edits is not None and said:
                self.told[key] = await engine.turns.edit(said[edits % len(said)].id, new)
            else:
                self.told[key] = await engine.turns.submit(new)
        except EngineError as refusal:
            note(f"refused: {refusal.code}")
            assert refusal.code in (TurnInProgressError.code, QueueFullError.code)
            return None
        reader = Reader(self.told[key])
        self.all_readers.append(reader)
        await self._read(reader, self.engines.index(engine))
        return key

    @rule(key=turns, at=st.integers(0, 1))
    def submit_again(self, key: str | None, at: int) -> None:
        if key is None:
            return
        once = Once.of(f"{self.conversation.id}/{key}", key)
        new = NewTurn(conversation_id=self.conversation.id, owner_id=ADA, content=key, once=once)
        assert self.run(self.engine(at).turns.submit(new)).id == self.told[key].id

    @rule(target=readers, key=turns, at=st.integers(0, 1))
    def stream(self, key: str | None, at: int) -> Reader | None:
        if key is None:
            return None
        reader = Reader(self.told[key])
        self.all_readers.append(reader)
        self.run(self._read(reader, at))
        return reader

    @rule(target=gone, reader=consumes(readers))
    def disconnect(self, reader: Reader | None) -> Reader | None:
        if reader and reader.task:
            self.run(self._leave(reader))
        return reader

    @rule(target=readers, reader=consumes(gone), at=st.integers(0, 1))
    def resume(self, reader: Reader | None, at: int) -> Reader | None:
        if reader:
            self.run(self._read(reader, at))
        return reader

    async def _read(self, reader: Reader, at: int) -> None:
        if reader.ended is None:
            reader.task = asyncio.create_task(reader.read(self.engine(at)))
        await asyncio.sleep(0.01)

    async def _leave(self, reader: Reader) -> None:
        task, reader.task = reader.task, None
        if task is None:
            return
        task.cancel()
        [outcome] = await asyncio.gather(task, return_exceptions=True)
        assert outcome is None or isinstance(outcome, asyncio.CancelledError), outcome

    @rule(key=turns, at=st.integers(0, 1))
    def cancel(self, key: str | None, at: int) -> None:
        if key is None:
            return

        async def work() -> None:
            turns = self.engine(at).turns
            wish = asyncio.create_task(turns.cancel(self.conversation.id, self.told[key].id, owner_id=ADA))
            await asyncio.wait([wish], timeout=0.3)  # if its process is dead, recovery will honour it
            self.cancels.append(wish)

        self.run(work())

    # ── what the model does ──

    @rule(text=st.text(alphabet="ab \n\r👩\u200d", min_size=1, max_size=6))
    def say(self, text: str) -> None:
        self.model.say(text)
        self.run(asyncio.sleep(0.03))

    @rule()
    def finish(self) -> None:
        if any(engine.turns._runner._runs for engine in self.engines):
            self.model.say(None)
        self.run(asyncio.sleep(0.03))

    # ── what happens to processes ──

    @precondition(lambda self: len(self.engines) == REPLICAS)
    @rule(at=st.integers(0, 1), words=st.integers(0, 3), moments=st.integers(0, 30))
    def crash(self, at: int, words: int, moments: int) -> None:
        """In the middle of some last words, anywhere between their coming in and their being shown."""

        async def work() -> None:
            for word in range(words):
                self.model.say(f" last {word}")
            for _ in range(moments):
                await asyncio.sleep(0)
            busy = [number for number, engine in enumerate(self.engines) if engine.turns._runner._runs]
            engine = self.engines.pop(busy[0] if busy else at)
            readers = [reader for reader in self.all_readers if reader.task]
            for reader in readers:  # their connections go with it; those of the other replica begin again, too
                await self._leave(reader)
            for wish in self.cancels:
                wish.cancel()
            await asyncio.gather(*self.cancels, return_exceptions=True)
            self.cancels.clear()
            await kill(engine)
            for reader in readers:
                await self._read(reader, 0)

        self.run(work())

    @precondition(lambda self: len(self.engines) < REPLICAS)
    @rule()
    def recover(self) -> None:
        self.run(self._recover())

    async def _recover(self) -> None:
        """Leases of the dead run out, those of the living do not."""
        for _ in range(2):
            for engine in self.engines:
                await engine.turns._runner._extend()
            self.clock.advance(seconds=LEASE_SECONDS * 0.6)
        for engine in self.engines:
            await engine.turns._runner._sweep()
        while len(self.engines) < REPLICAS:
            await self.open()

    # ── what always holds ──

    @invariant()
    def what_is_told_is_true(self) -> None:
        if self.engines:
            self.run(self._check())

    async def _check(self) -> None:
        engine = self.engine(0)
        heard = [reader for reader in self.all_readers if reader.ended]
        states = await rows(engine, "SELECT conversation_id, state FROM turns WHERE state = 'running'")
        assert len({row["conversation_id"] for row in states}) == len(states)
        details = {key: await self._detail(engine, turn) for key, turn in self.told.items()}
        messages = await messages_of(engine, self.conversation.id)  # after the turns: one may start in between
        assert [message.sequence_number for message in messages] == list(range(1, len(messages) + 1))
        for key, detail in details.items():
            assert detail.turn.state != TurnState.RUNNING or key in [message.content for message in messages]
            assert detail.reply is None or self.model.is_of_one_call(str(detail.reply.content))
            if detail.turn.state.value in FINAL:
                assert self.over.setdefault(key, detail) == detail
        of = {detail.turn.id: detail for detail in details.values()}
        assert all(of[reader.turn.id].turn.state.value in FINAL for reader in heard)
        for reader in self.all_readers:
            self._check_reader(reader, of[reader.turn.id])

    async def _detail(self, engine: ConversationEngine, turn: Turn) -> TurnDetail:
        return await engine.turns.get(self.conversation.id, turn.id, owner_id=ADA)

    def _check_reader(self, reader: Reader, detail: TurnDetail) -> None:
        if reader.task and reader.task.done():
            reader.task.result()
        assert self.model.is_of_one_call(reader.text)
        if detail.turn.state.value in FINAL and detail.turn.attempt == reader.turn.attempt:
            assert _stored(detail).startswith(reader.text)
        if reader.ended:
            assert reader.text == _stored(reader.ended)

    def teardown(self) -> None:
        try:
            if self.engines:
                self.run(self._settle())
        finally:
            self.runner.close()

    async def _settle(self) -> None:
        """Everybody comes back and the model finishes all it is asked: then nothing may be left open."""
        if len(self.engines) < REPLICAS:
            await self._recover()
        for reader in self.all_readers:
            if reader.task is None:
                await self._read(reader, 0)
        while await rows(self.engine(0), "SELECT id FROM turns WHERE state IN ('queued', 'running')"):
            self.model.say(None)
            await asyncio.sleep(0.02)
        await asyncio.gather(*(reader.task for reader in self.all_readers if reader.task), *self.cancels)
        await self._check()
        await self._check_all()
        for engine in self.engines:
            await engine.aclose()

    async def _check_all(self) -> None:
        engine = self.engine(0)
        messages = await messages_of(engine, self.conversation.id)
        conversation = await engine.conversations.get(self.conversation.id, owner_id=ADA)
        assert conversation.message_count == len(messages)
        left = "SELECT turn_id FROM reply_checkpoints WHERE turn_id IN (SELECT id FROM turns WHERE state <> 'running')"
        assert await rows(engine, left) == []
        assert len(self.over) == len(self.told)
        for key, detail in self.over.items():
            said = [message for message in messages if message.role == "user" and message.content == key]
            never_ran = detail.turn.state is TurnState.CANCELLED and not said
            assert len(said) == 1 or never_ran
            assert detail.reply is None or detail.reply.parent_id == said[0].id
        for reader in self.all_readers:
            assert reader.ended is not None
            assert replace(reader.ended, attempts=()) == replace(self._end_of(reader), attempts=())

    def _end_of(self, reader: Reader) -> TurnDetail:
        return next(detail for detail in self.over.values() if detail.turn.id == reader.turn.id)


def _stored(detail: TurnDetail) -> str:
    return str(detail.reply.content) if detail.reply else ""


@pytest.mark.crash
def test_whatever_happens_in_any_order(database_url: str) -> None:
    machine = type("PromisesHere", (Promises,), {"url": database_url})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=8,
            stateful_step_count=20,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
