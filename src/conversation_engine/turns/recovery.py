"""Turns whose process died: the lease ran out, what was checkpointed is kept, or the model is asked once more."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from conversation_engine.domains.context.types import Window
from conversation_engine.domains.conversations.service import ConversationService
from conversation_engine.domains.llm.service import LlmService
from conversation_engine.domains.llm.types import Attempt
from conversation_engine.infra.crash_points import crash_point
from conversation_engine.infra.db.database import Database, Tx
from conversation_engine.infra.ids import new_id
from conversation_engine.infra.observability.logs import get_logger
from conversation_engine.kernel.clock import Clock
from conversation_engine.kernel.errors import EngineError
from conversation_engine.kernel.ids import TurnId
from conversation_engine.turns.briefing import Briefing
from conversation_engine.turns.call_books import CallBooks
from conversation_engine.turns.line import TurnLine
from conversation_engine.turns.metering import TurnMeter
from conversation_engine.turns.repo import TurnRepo
from conversation_engine.turns.run import TurnRun
from conversation_engine.turns.steps.record import Ending, RecordStep
from conversation_engine.turns.types import MOST_ATTEMPTS, Lease, Turn, TurnError, TurnState

CLAIM_COUNT = 100
INTERRUPTED = TurnError(
    code="turn_interrupted",
    detail="The server stopped while it was answering. What was said so far is kept; ask again for the rest.",
)
_log = get_logger(__name__)


class TurnRecovery:
    """Claims expired leases; any number of processes may do so at once."""

    def __init__(
        self,
        database: Database,
        *,
        conversations: ConversationService,
        llm: LlmService,
        brief: Briefing,
        books: CallBooks,
        record: RecordStep,
        line: TurnLine,
        clock: Clock,
        mode: Literal["interrupt", "retry"],
        meter: TurnMeter,
    ) -> None:
        self._database = database
        self._conversations = conversations
        self._llm = llm
        self._brief = brief
        self._books = books
        self._record = record
        self._line = line
        self._clock = clock
        self._mode = mode
        self._meter = meter
        self._holder = new_id()
        """Not the process's own: a turn that is just being admitted there, late, must not be ended under its feet."""
        self._repo = TurnRepo()

    async def sweep(self, *, lease: Lease, running_here: Sequence[TurnId]) -> tuple[Sequence[Turn], list[TurnRun]]:
        """End or restart every turn whose lease has run out, but for those that this very process is still at.

        Returns those, and what is to run here now: restarted turns, and those that were next in line. One
        transaction to claim, two a turn, and what its window takes.
        """
        now, claim = self._clock.now(), replace(lease, holder=self._holder)
        turns = await self._database.write(
            lambda tx: self._repo.claim_expired(tx, now=now, lease=claim, but=running_here, count=CLAIM_COUNT)
        )
        if turns:
            crash_point("recovery.after_claim")
        runs = [await self._recover_or_leave(turn, lease=lease) for turn in turns]
        return turns, [run for run in runs if run is not None]

    async def _recover_or_leave(self, turn: Turn, *, lease: Lease) -> TurnRun | None:
        """One that cannot be recovered must not keep the others, nor lose those that were restarted before it."""
        remains = _Remains(text="", wanted=None)
        try:
            remains = await self._look(turn)
            return await self._recover(turn, remains, lease=lease)
        except Exception as error:  # noqa: BLE001 - whatever it is, the turn itself must end
            _log.warning("turn.not_recovered", turn_id=turn.id, error=type(error).__name__)
        try:
            return await self._end(turn, remains, lease=None)
        except Exception as error:  # noqa: BLE001 - its lease runs out again, and we try again
            self._meter.note_not_recovered()
            _log.warning("turn.not_ended", turn_id=turn.id, error=type(error).__name__)
            return None

    async def _recover(self, turn: Turn, remains: "_Remains", *, lease: Lease) -> TurnRun | None:
        if self._mode == "retry" and turn.attempt < MOST_ATTEMPTS:
            try:
                run = await self._database.write(lambda tx: self._restart(tx, turn, remains.lost, lease=lease))
            except EngineError as error:  # its model is no longer known, no budget covers it any more, …
                _log.warning("turn.not_restarted", turn_id=turn.id, error=error.code)
            else:
                crash_point("recovery.after_restart")
                if run is not None:
                    self._meter.note_restarted()
                return run
        return await self._end(turn, remains, lease=lease)

    async def _end(self, turn: Turn, remains: "_Remains", *, lease: Lease | None) -> TurnRun | None:
        """Record what was said; without a `lease` nobody in line is started, who may be what stands in the way."""
        ending = Ending(
            turn=turn,
            state=remains.wanted or TurnState.INTERRUPTED,
            text=remains.text,
            attempts=(),
            is_recovered=True,
            lost=remains.lost,
            error=None if remains.wanted is TurnState.CANCELLED else INTERRUPTED,
            manifest=remains.manifest,
            window_start=None,
            is_checkpointed=True,
            holder=self._holder,
            is_promised=True,
        )
        recorded = await self._record(ending, lease=lease)
        crash_point("recovery.after_record")
        if recorded is None:  # somebody else was faster
            return None
        _log.warning(
            "turn.recovered", turn_id=turn.id, conversation_id=turn.conversation_id, characters=len(remains.text)
        )
        self._meter.note_recovered(recorded.detail)
        return recorded.successor

    async def _look(self, turn: Turn) -> "_Remains":
        """What is durable of the reply, whether somebody wanted it stopped, and what its model call was shown.

        Nobody else writes to the turn now, so the window comes out as it did there.
        """
        text, wanted, run = await self._database.read(lambda tx: self._kept(tx, turn))
        if run is None:
            return _Remains(text=text, wanted=wanted)
        window: Window | None = None
        try:
            window = await self._brief(run)
        except Exception as error:  # noqa: BLE001 - as there, most likely, and then no model was asked
            _log.warning("turn.window_unknown", turn_id=turn.id, error=type(error).__name__)
        if window is None:
            return _Remains(text=text, wanted=wanted)
        call = run.call(attempt=turn.attempt)
        # In a thread: the first price takes a while, and this process has leases to keep.
        lost = await asyncio.to_thread(self._llm.presumed, call, text, at=turn.created_at)
        return _Remains(text=text, wanted=wanted, lost=lost, manifest={**window.manifest, "assembled_again": True})

    def _kept(self, tx: Tx, turn: Turn) -> tuple[str, TurnState | None, TurnRun | None]:
        text = self._repo.checkpointed_text(tx, turn.id, attempt=turn.attempt)
        wanted = self._repo.stop_requests(tx, [turn.id]).get(turn.id)
        try:
            conversation = self._conversations.owned(tx, turn.conversation_id, owner_id=turn.owner_id)
            run = self._line.run_of(tx, turn, conversation)
        except EngineError:  # deleted meanwhile, or its model is no longer known
            run = None
        return text, wanted, run

    def _restart(self, tx: Tx, turn: Turn, lost: Attempt | None, *, lease: Lease) -> TurnRun | None:
        """Attempt two begins with an empty reply; watchers are told so.

        `None` when the claim has run out meanwhile, and somebody else has the turn or has ended it. Raises
        OverBudgetError where no budget covers the first attempt and the second.
        """
        conversation = self._conversations.hold(tx, turn.conversation_id, owner_id=turn.owner_id)
        if not self._repo.hold(tx, {turn.id: turn.attempt}, holder=self._holder):
            return None
        self._books.keep_lost(tx, turn, lost)
        again = replace(turn, attempt=turn.attempt + 1)
        run = self._line.run_of(tx, again, conversation)
        run.is_promised = True
        self._repo.delete_checkpoints(tx, turn.id)
        self._repo.start(tx, again, lease=lease)
        _log.warning("turn.restarted", turn_id=turn.id, attempt=again.attempt)
        return run


@dataclass(frozen=True, slots=True, kw_only=True)
class _Remains:
    """What a dead process left of a turn."""

    text: str
    wanted: TurnState | None
    """How somebody wanted it to end."""
    lost: Attempt | None = None
    """What its model call probably came to; `None`: there was none, for all we know."""
    manifest: dict[str, Any] | None = None
