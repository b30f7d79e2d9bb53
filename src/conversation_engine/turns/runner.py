"""The turns that run in this process: their tasks, their leases, and what other processes want of them."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import Context
from datetime import timedelta

from conversation_engine.domains.conversations.service import ConversationService
from conversation_engine.domains.llm.service import LlmService
from conversation_engine.infra.chores import Chore
from conversation_engine.infra.crash_points import crash_point
from conversation_engine.infra.db.database import ConstraintViolation, Database, Tx
from conversation_engine.infra.idempotency.ledger import IdempotencyLedger
from conversation_engine.infra.ids import new_id
from conversation_engine.infra.observability.logs import get_logger
from conversation_engine.infra.signals.ports import Signals
from conversation_engine.kernel.clock import Clock
from conversation_engine.kernel.ids import ConversationId, TurnId
from conversation_engine.turns.briefing import Briefing
from conversation_engine.turns.call_books import CallBooks
from conversation_engine.turns.explaining import TurnExplainer
from conversation_engine.turns.line import TurnLine
from conversation_engine.turns.metering import TurnMeter
from conversation_engine.turns.pipeline import TurnPipeline
from conversation_engine.turns.ports import Chores
from conversation_engine.turns.recovery import TurnRecovery
from conversation_engine.turns.reply_log import ReplyLog
from conversation_engine.turns.repo import TurnRepo
from conversation_engine.turns.run import TurnRun
from conversation_engine.turns.settings import TurnSettings
from conversation_engine.turns.spending import TurnSpending, total_usage
from conversation_engine.turns.steps.assemble import AssembleStep
from conversation_engine.turns.steps.generate import GenerateStep
from conversation_engine.turns.steps.record import RecordStep
from conversation_engine.turns.steps.retrieve import RetrieveStep
from conversation_engine.turns.topics import process_topic, turn_topic
from conversation_engine.turns.types import Lease, Turn, TurnState

RECORDING_SECONDS = 1.0
"""How long recording may take once generation was stopped; what takes longer is recovered by its lease."""
LOOK_AGAIN_SECONDS = (0.2, 1.0)
"""When a line is looked at after somebody joined it: the turn ahead may have ended in the same moment."""
LINES_AT_ONCE = 100
ORPHAN_SECONDS = 3600.0
"""From when on a deleted turn that has not settled what it promised has lost its process too: nothing else says so, for
its lease was deleted with it. Longer than turns take."""
HINTED_POLL_SECONDS = 1.0
"""How often stop requests are looked for where other processes can tell us when to look."""
OnUsed = Callable[[Turn, int], Awaitable[None]]
_log = get_logger(__name__)


class TurnRunner:
    """`start` before use, `aclose` after. Generation belongs here, not to whoever asked."""

    def __init__(
        self,
        database: Database,
        *,
        conversations: ConversationService,
        llm: LlmService,
        clock: Clock,
        settings: TurnSettings,
        assemble: AssembleStep,
        chores: Chores,
        line: TurnLine,
        ledger: IdempotencyLedger,
        signals: Signals,
        spending: TurnSpending,
        retrieve: RetrieveStep,
        meter: TurnMeter,
        on_used: OnUsed | None = None,
    ) -> None:
        self._database = database
        self._clock, self._settings = clock, settings
        self._line = line
        self._beside = chores
        self._ledger = ledger
        self._signals = signals
        self._spending = spending
        self._llm = llm
        self._on_used = on_used
        self._holder = new_id()
        self._repo = TurnRepo()
        self._reply_log = ReplyLog(
            database,
            holder=self._holder,
            interval_seconds=settings.checkpoint_interval_seconds,
            on_lost=self._lose,
            on_durable=lambda turn_id: signals.publish(turn_topic(turn_id)),
        )
        books = CallBooks(conversations=conversations, llm=llm, spending=spending)
        brief = Briefing(retrieve=retrieve, assemble=assemble, meter=meter)
        record = RecordStep(
            database, conversations=conversations, llm=llm, clock=clock, line=line, spending=spending, books=books
        )
        self._recovery = TurnRecovery(
            database,
            conversations=conversations,
            llm=llm,
            brief=brief,
            books=books,
            record=record,
            line=line,
            mode=settings.recovery,
            clock=clock,
            meter=meter,
        )
        self._pipeline = self._make_pipeline(llm, books=books, brief=brief, record=record, meter=meter)
        self._runs: dict[TurnId, TurnRun] = {}
        self._tasks: dict[TurnId, asyncio.Task[None]] = {}
        self._chores = self._make_chores(settings)
        self._lookers: set[asyncio.Task[None]] = set()
        self._grace: asyncio.TimerHandle | None = None
        self._is_grace_over = False

    @property
    def is_stopping(self) -> bool:
        """Whether this process takes no more turns."""
        return self._grace is not None

    @property
    def running_count(self) -> int:
        """How many turns run in this process."""
        return len(self._runs)

    def start(self) -> None:
        """Keep leases alive, recover turns of dead processes, hear what others want stopped."""
        self._reply_log.start()
        for chore in self._chores:
            chore.start()

    def begin_stop(self) -> None:
        """Take no more turns; when the grace time is over, end the running ones `interrupted` with what they said.

        Returns at once, so that watchers still hear how their turns end. Idempotent; call it from the event loop.
        """
        self._begin_stop()

    def _begin_stop(self) -> float:
        """When the grace time is over, on the clock of the event loop."""
        loop = asyncio.get_running_loop()
        if self._grace is None:
            self._grace = loop.call_later(self._settings.grace_seconds, self._interrupt_all)
        return max(self._grace.when(), loop.time())

    async def aclose(self, entering: set[asyncio.Task[object]]) -> None:
        """`begin_stop`, and wait until every turn has ended, those that are just `entering` included."""
        grace_ends_at = self._begin_stop()
        with suppress(TimeoutError):
            async with asyncio.timeout_at(grace_ends_at + RECORDING_SECONDS):
                while unfinished := [*entering, *self._tasks.values()]:
                    await asyncio.wait(unfinished)
        left = [*self._lookers, *entering, *self._tasks.values()]
        for task in left:
            task.cancel()  # a turn that could not be recorded by now is recovered by its lease
        await asyncio.gather(*left, *(chore.aclose() for chore in self._chores), return_exceptions=True)
        await self._reply_log.aclose()

    def lease(self) -> Lease:
        """For a turn that this process is about to run."""
        expires_at = self._clock.now() + timedelta(seconds=self._settings.lease_seconds)
        return Lease(holder=self._holder, expires_at=expires_at)

    def run(self, run: TurnRun, context: Context | None = None) -> None:
        """Take a turn to its end, in the background, as a part of what is going on; else in a `context` of its own."""
        turn_id = run.turn.id
        self._lose(turn_id)  # an earlier reply, of which we thought that its process had died: it was we, and slow
        self._runs[turn_id] = run
        self._tasks[turn_id] = task = asyncio.create_task(self._drive(run), name=f"turn-{turn_id}", context=context)
        task.add_done_callback(lambda done: self._forget(turn_id, done))
        if self._is_grace_over:
            run.stop(TurnState.INTERRUPTED)

    def find(self, turn_id: TurnId) -> TurnRun | None:
        """The turn, if it runs in this process."""
        return self._runs.get(turn_id)

    def look_after_line(self, conversation_id: ConversationId) -> None:
        """Somebody has joined the line: make sure that it moves even if the turn ahead ended in that moment."""
        task = asyncio.create_task(self._look_after_line(conversation_id), name="turn-line")
        self._lookers.add(task)
        task.add_done_callback(self._lookers.discard)

    async def advance(self, conversation_id: ConversationId) -> None:
        """Start whoever is first in line, unless a turn runs there."""
        if self.is_stopping:
            return
        lease = self.lease()
        with suppress(ConstraintViolation):
            run = await self._database.write(lambda tx: self._line.advance(tx, conversation_id, lease=lease))
            if run is not None:
                self._run_successor(run)

    def _run_successor(self, run: TurnRun) -> None:
        crash_point("line.after_commit")
        self.run(run, Context())  # neither lines of the log nor traces are to take it for a part of the turn before

    def _make_chores(self, settings: TurnSettings) -> tuple[Chore, ...]:
        signals, topic = self._signals, process_topic(self._holder)
        stops = Chore(
            "turn-stops",
            self._stop_as_requested,
            seconds=lambda: HINTED_POLL_SECONDS if signals.is_shared else settings.stop_poll_seconds,
            hints=lambda: signals.subscribe(topic),
        )
        return (
            Chore("turn-recovery", self._sweep, seconds=settings.sweep_seconds),
            Chore("turn-leases", self._extend, seconds=settings.lease_seconds / 3),
            Chore("turn-heartbeat", self._tick, seconds=settings.heartbeat_seconds),
            stops,
        )

    def _make_pipeline(
        self, llm: LlmService, *, books: CallBooks, brief: Briefing, record: RecordStep, meter: TurnMeter
    ) -> TurnPipeline:
        database, reply_log, settings = self._database, self._reply_log, self._settings
        return TurnPipeline(
            database,
            brief=brief,
            generate=GenerateStep(
                database,
                llm=llm,
                books=books,
                reply_log=reply_log,
                holder=self._holder,
                on_broken=settings.on_broken_reply,
            ),
            record=record,
            reply_log=reply_log,
            spending=self._spending,
            fallback_reply_for=settings.fallback_reply_for,
            title_for=self._beside.title_for,
            meter=meter,
            explainer=TurnExplainer(with_words=settings.log_words),
        )

    async def _drive(self, run: TurnRun) -> None:
        successor = await self._pipeline(
            run, holder=self._holder, lease=lambda: None if self.is_stopping else self.lease()
        )
        if successor is not None:
            self._run_successor(successor)
        if self._on_used is not None:
            usage = total_usage(run.attempts)
            await self._on_used(run.turn, usage.input_tokens + usage.output_tokens)
        await self._signals.publish(turn_topic(run.turn.id))
        for keeper in self._beside.keepers:
            await keeper.consider(run)

    async def _look_after_line(self, conversation_id: ConversationId) -> None:
        for seconds in LOOK_AGAIN_SECONDS:
            await asyncio.sleep(seconds)
            try:
                lines = await self._database.read(lambda tx: self._repo.conversations_in_line(tx, count=LINES_AT_ONCE))
                if conversation_id in lines:
                    await self.advance(conversation_id)
            except Exception as error:  # noqa: BLE001 - the sweep will look again
                _log.warning("turn.line_stuck", error=type(error).__name__)

    def _lose(self, turn_id: TurnId) -> None:
        """Somebody else ends this turn, or it is deleted: stop paying for words that nobody will read."""
        if run := self._runs.get(turn_id):
            run.live.abandon()
            run.stop(TurnState.INTERRUPTED)

    def _forget(self, turn_id: TurnId, task: asyncio.Task[None]) -> None:
        if self._tasks.get(turn_id) is task:
            del self._tasks[turn_id], self._runs[turn_id]

    def _interrupt_all(self) -> None:
        self._is_grace_over = True
        for run in self._runs.values():
            run.stop(TurnState.INTERRUPTED)

    async def _sweep(self) -> None:
        if self.is_stopping:
            return
        recovered, runs = await self._recovery.sweep(lease=self.lease(), running_here=list(self._runs))
        for run in runs:
            self.run(run)
        for turn in recovered:
            await self._signals.publish(turn_topic(turn.id))
        lines = await self._database.read(lambda tx: self._repo.conversations_in_line(tx, count=LINES_AT_ONCE))
        for conversation_id in lines:
            try:
                await self.advance(conversation_id)
            except Exception as error:  # noqa: BLE001 - one line that is stuck must not keep the others
                _log.warning("turn.line_stuck", conversation_id=conversation_id, error=type(error).__name__)
        await self._beside.calls.give_up_lost()
        if self._spending.may_bound_any:
            await self._database.write(self._release_orphans)
        await self._ledger.sweep()

    def _release_orphans(self, tx: Tx) -> None:
        """Nothing stays promised for turns that were deleted and whose process died before it could settle."""
        owing = self._spending.owing(tx, older_than_seconds=ORPHAN_SECONDS)
        existing = self._repo.existing(tx, owing) if owing else frozenset()
        for turn_id in owing:
            if turn_id not in existing:
                self._spending.settle(tx, turn_id, self._llm.attempts_of(tx, turn_id))

    async def _extend(self) -> None:
        await self._beside.calls.hold()
        if running := list(self._runs):
            lease = self.lease()
            await self._database.write(lambda tx: self._repo.extend_leases(tx, running, lease=lease))

    async def _stop_as_requested(self) -> None:
        if not (running := list(self._runs)):
            return
        requests = await self._database.read(lambda tx: self._repo.stop_requests(tx, running))
        for turn_id, state in requests.items():
            if run := self._runs.get(turn_id):
                run.stop(state)

    async def _tick(self) -> None:
        for run in self._runs.values():
            run.live.tick()
