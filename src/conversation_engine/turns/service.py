"""What one can do with turns."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

from conversation_engine.domains.context.types import Window
from conversation_engine.domains.conversations.service import ConversationService
from conversation_engine.domains.llm.service import LlmService
from conversation_engine.domains.llm.types import Sampling
from conversation_engine.infra.db.database import Database, Tx
from conversation_engine.infra.ids import new_id
from conversation_engine.infra.observability.logs import get_logger
from conversation_engine.infra.signals.ports import Signals
from conversation_engine.kernel.clock import Clock
from conversation_engine.kernel.ids import ConversationId, TurnId, UserId, parse_id
from conversation_engine.turns.errors import ShuttingDownError, TurnNotFoundError
from conversation_engine.turns.pipeline import TurnPipeline
from conversation_engine.turns.recovery import TurnRecovery
from conversation_engine.turns.reply_log import ReplyLog
from conversation_engine.turns.repo import Lease, TurnRepo
from conversation_engine.turns.run import TurnRun
from conversation_engine.turns.settings import TurnSettings
from conversation_engine.turns.state import is_final
from conversation_engine.turns.steps.admit import AdmitStep
from conversation_engine.turns.steps.assemble import AssembleStep
from conversation_engine.turns.steps.generate import GenerateStep
from conversation_engine.turns.steps.record import RecordStep
from conversation_engine.turns.topics import turn_topic
from conversation_engine.turns.types import (
    Heartbeat,
    NewTurn,
    ReplyDelta,
    Turn,
    TurnDetail,
    TurnEnded,
    TurnEvent,
    TurnStarted,
    TurnState,
)

REMOTE_POLL_SECONDS = 0.25
"""How often a turn that runs in another process is looked at, unasked, while somebody here watches it."""
HINTED_POLL_SECONDS = 1.0
"""The same while that process can tell us when to look."""
RECORDING_SECONDS = 1.0
"""How long recording may take once generation was stopped; what takes longer is recovered by its lease."""
_log = get_logger(__name__)


class TurnService:
    """The door to the write path. `start` before use, `aclose` after.

    Generation belongs to this service, not to whoever asked: a caller that goes away changes nothing.
    """

    def __init__(
        self,
        database: Database,
        *,
        conversations: ConversationService,
        llm: LlmService,
        clock: Clock,
        settings: TurnSettings,
        signals: Signals,
    ) -> None:
        self._database = database
        self._conversations = conversations
        self._llm = llm
        self._clock = clock
        self._settings = settings
        self._signals = signals
        self._holder = new_id()
        self._repo = TurnRepo()
        self._reply_log = ReplyLog(
            database,
            holder=self._holder,
            interval_seconds=settings.checkpoint_interval_seconds,
            on_lost=self._lose,
            on_durable=lambda turn_id: signals.publish(turn_topic(turn_id)),
        )
        self._admit = AdmitStep(database, conversations=conversations, llm=llm, clock=clock)
        self._assemble = AssembleStep(database, conversations=conversations, llm=llm)
        record = RecordStep(database, conversations=conversations, llm=llm, clock=clock)
        self._recovery = TurnRecovery(database, record=record, clock=clock, signals=signals)
        self._pipeline = TurnPipeline(
            assemble=self._assemble,
            generate=GenerateStep(llm=llm, reply_log=self._reply_log),
            record=record,
            reply_log=self._reply_log,
        )
        self._runs: dict[TurnId, TurnRun] = {}
        self._tasks: dict[TurnId, asyncio.Task[None]] = {}
        self._entering: set[asyncio.Task[Turn]] = set()
        self._chores: list[asyncio.Task[None]] = []
        self._is_stopping = False
        self._is_grace_over = False

    async def start(self) -> None:
        """Begin to take turns, keep their leases alive and recover those of dead processes."""
        self._reply_log.start()
        self._chores = [
            asyncio.create_task(self._every(self._settings.sweep_seconds, self._sweep), name="turn-recovery"),
            asyncio.create_task(self._every(self._settings.lease_seconds / 3, self._extend), name="turn-leases"),
            asyncio.create_task(self._every(self._settings.heartbeat_seconds, self._tick), name="turn-heartbeat"),
        ]

    def begin_stop(self) -> None:
        """Take no more turns; when the grace time is over, end the running ones `interrupted` with what they said.

        Returns at once, so that watchers still hear how their turns end. Idempotent; call it from the event loop.
        """
        if self._is_stopping:
            return
        self._is_stopping = True
        asyncio.get_running_loop().call_later(self._settings.grace_seconds, self._interrupt_runs)

    async def aclose(self) -> None:
        """`begin_stop`, and wait until every turn has ended."""
        self.begin_stop()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.grace_seconds + RECORDING_SECONDS):
                while unfinished := [*self._entering, *self._tasks.values()]:
                    await asyncio.wait(unfinished)
        for chore in self._chores:
            chore.cancel()
        await asyncio.gather(*self._chores, return_exceptions=True)
        await self._reply_log.aclose()

    async def submit(self, new: NewTurn) -> Turn:
        """Say something and have it answered: committed when this returns, answered in the background.

        Raises ShuttingDownError, TurnInProgressError, UnknownModelError, and what the conversation's door raises.
        """
        if self._is_stopping:
            raise ShuttingDownError
        # Shielded: a caller that is cancelled in between must not leave an admitted turn that nobody runs.
        entering = asyncio.create_task(self._begin(new), name="turn-admission")
        self._entering.add(entering)
        entering.add_done_callback(self._entering.discard)
        return await asyncio.shield(entering)

    async def get(self, conversation_id: ConversationId, turn_id: TurnId, *, owner_id: UserId) -> TurnDetail:
        """A turn with its reply and its model calls. Raises TurnNotFoundError. Four statements."""
        return await self._database.read(lambda tx: self._detail(tx, conversation_id, turn_id, owner_id))

    async def manifest(
        self, conversation_id: ConversationId, turn_id: TurnId, *, owner_id: UserId
    ) -> dict[str, Any] | None:
        """What the model was shown and why; `None` while the turn runs."""

        def work(tx: Tx) -> dict[str, Any] | None:
            self._owned(tx, conversation_id, turn_id, owner_id)
            return self._repo.find_manifest(tx, turn_id)

        return await self._database.read(work)

    async def preview(
        self,
        conversation_id: ConversationId,
        *,
        owner_id: UserId,
        model: str | None = None,
        system_prompt: str | None = None,
    ) -> Window:
        """What the model would be shown now, without calling it. `system_prompt` as in `NewTurn`."""

        def work(tx: Tx) -> Window:
            conversation = self._conversations.owned(tx, conversation_id, owner_id=owner_id)
            if system_prompt is not None:
                conversation = replace(conversation, system_prompt=self._conversations.checked_prompt(system_prompt))
            card = self._llm.card(model or conversation.model)
            return self._assemble.window(tx, conversation, card, Sampling())

        return await self._database.read(work)

    async def wait(self, turn: Turn) -> TurnDetail:
        """How `turn` ended, as soon as it has."""
        async for event in self.follow(turn):
            if isinstance(event, TurnEnded):
                return event.detail
        raise AssertionError("a stream ends with TurnEnded")

    async def follow(self, turn: Turn, *, after: int = 0) -> AsyncGenerator[TurnEvent, None]:
        """`TurnStarted`, the reply's text after offset `after`, what comes, `TurnEnded`: at any time, by anybody.

        `turn` was given out by this service, so its owner is known.
        """
        yield TurnStarted(turn=turn, offset=after)
        seen = after
        if run := self._runs.get(turn.id):
            async for event in run.live.follow(after):
                yield event
                if isinstance(event, TurnEnded):
                    return
                if isinstance(event, ReplyDelta):
                    seen = event.offset
        async for event in self._follow_stored(turn, seen):
            yield event

    async def cancel(self, conversation_id: ConversationId, turn_id: TurnId, *, owner_id: UserId) -> TurnDetail:
        """Stop a running turn and keep the beginning of its reply. Idempotent: a finished turn is returned as it is."""
        detail = await self.get(conversation_id, turn_id, owner_id=owner_id)
        run = self._runs.get(turn_id)
        if run is None:
            return detail
        run.stop(TurnState.CANCELLED)
        return await self.wait(detail.turn)

    # ── inside ──

    async def _begin(self, new: NewTurn) -> Turn:
        run = await self._admit(new, lease=self._lease())
        turn_id = run.turn.id
        self._runs[turn_id] = run
        task = asyncio.create_task(self._run(run), name=f"turn-{turn_id}")
        self._tasks[turn_id] = task
        task.add_done_callback(lambda _: self._forget(turn_id))
        if self._is_grace_over:
            run.stop(TurnState.INTERRUPTED)
        return run.turn

    async def _run(self, run: TurnRun) -> None:
        await self._pipeline(run, holder=self._holder)
        await self._signals.publish(turn_topic(run.turn.id))

    def _lose(self, turn_id: TurnId) -> None:
        """Somebody else ends this turn, or it is deleted: stop paying for words that nobody will read."""
        if run := self._runs.get(turn_id):
            run.live.abandon()
            run.stop(TurnState.INTERRUPTED)

    def _forget(self, turn_id: TurnId) -> None:
        self._tasks.pop(turn_id, None)
        self._runs.pop(turn_id, None)

    def _interrupt_runs(self) -> None:
        self._is_grace_over = True
        for run in self._runs.values():
            run.stop(TurnState.INTERRUPTED)

    def _lease(self) -> Lease:
        expires_at = self._clock.now() + timedelta(seconds=self._settings.lease_seconds)
        return Lease(holder=self._holder, expires_at=expires_at)

    def _owned(self, tx: Tx, conversation_id: ConversationId, turn_id: TurnId, owner_id: UserId) -> Turn:
        self._conversations.owned(tx, conversation_id, owner_id=owner_id)
        turn = self._repo.find(tx, TurnId(parse_id(turn_id)))
        if turn is None or turn.conversation_id != conversation_id:
            raise TurnNotFoundError(turn_id)
        return turn

    def _detail(self, tx: Tx, conversation_id: ConversationId, turn_id: TurnId, owner_id: UserId) -> TurnDetail:
        turn = self._owned(tx, conversation_id, turn_id, owner_id)
        return TurnDetail(
            turn=turn,
            reply=self._conversations.find_message(tx, conversation_id, turn.reply_message_id),
            attempts=tuple(self._llm.attempts_of(tx, turn_id)),
        )

    async def _follow_stored(self, turn: Turn, after: int) -> AsyncGenerator[TurnEvent, None]:
        """A turn of the past, or of another process: read from the store until it has ended."""
        seen, silent_seconds = after, 0.0
        async with self._signals.subscribe(turn_topic(turn.id)) as hints:
            while True:
                ended, text = await self._database.read(partial(self._stored, turn=turn, after=seen))
                if text:
                    seen, silent_seconds = seen + len(text), 0.0
                    yield ReplyDelta(offset=seen, text=text)
                if ended is not None:
                    yield ended
                    return
                pause = HINTED_POLL_SECONDS if self._signals.is_shared else REMOTE_POLL_SECONDS
                if not await hints.wait(pause):
                    silent_seconds += pause
                if silent_seconds >= self._settings.heartbeat_seconds:
                    silent_seconds = 0.0
                    yield Heartbeat()

    def _stored(self, tx: Tx, *, turn: Turn, after: int) -> tuple[TurnEnded | None, str]:
        """The end, once there is one, and the text after offset `after`. Two statements while the turn runs."""
        now = self._repo.find(tx, turn.id)
        if now is not None and not is_final(now.state):
            return None, self._repo.checkpointed_after(tx, turn.id, attempt=now.attempt, offset=after)
        detail = self._detail(tx, turn.conversation_id, turn.id, turn.owner_id)
        content = str(detail.reply.content) if detail.reply else ""
        return TurnEnded(detail=detail, offset=len(content)), content[after:]

    async def _every(self, seconds: float, chore: Any) -> None:
        while True:
            try:
                await chore()
            except Exception as error:  # noqa: BLE001 - a chore must outlive the store's bad minutes
                _log.warning("chore.failed", chore=chore.__name__, error=type(error).__name__)
            await asyncio.sleep(seconds)

    async def _sweep(self) -> None:
        await self._recovery.sweep(lease=self._lease(), running_here=list(self._runs))

    async def _extend(self) -> None:
        if running := list(self._runs):
            lease = self._lease()
            await self._database.write(lambda tx: self._repo.extend_leases(tx, running, lease=lease))

    async def _tick(self) -> None:
        for run in self._runs.values():
            run.live.tick()
