"""Ends turns whose process died: the lease ran out, what was checkpointed is kept."""

from collections.abc import Sequence

from conversation_engine.infra.db.database import Database, Tx
from conversation_engine.infra.observability.logs import get_logger
from conversation_engine.infra.signals.ports import Signals
from conversation_engine.kernel.clock import Clock
from conversation_engine.kernel.ids import TurnId
from conversation_engine.turns.repo import Lease, TurnRepo
from conversation_engine.turns.steps.record import Ending, RecordStep
from conversation_engine.turns.topics import turn_topic
from conversation_engine.turns.types import Turn, TurnError, TurnState

CLAIM_COUNT = 100
INTERRUPTED = TurnError(
    code="turn_interrupted",
    detail="The server stopped while it was answering. What was said so far is kept; ask again for the rest.",
)
_log = get_logger(__name__)


class TurnRecovery:
    """Claims expired leases; any number of processes may do so at once."""

    def __init__(self, database: Database, *, record: RecordStep, clock: Clock, signals: Signals) -> None:
        self._database = database
        self._record = record
        self._clock = clock
        self._signals = signals
        self._repo = TurnRepo()

    async def sweep(self, *, lease: Lease, running_here: Sequence[TurnId]) -> int:
        """End every turn whose lease has run out, but for those that this very process is still at.

        Returns how many. One transaction to claim, one a turn to end.
        """
        now = self._clock.now()
        turns = await self._database.write(
            lambda tx: self._repo.claim_expired(tx, now=now, lease=lease, but=running_here, count=CLAIM_COUNT)
        )
        for turn in turns:
            await self._interrupt(turn, holder=lease.holder)
        return len(turns)

    async def _interrupt(self, turn: Turn, *, holder: str) -> None:
        def work(tx: Tx) -> int:
            text = self._repo.checkpointed_text(tx, turn.id, attempt=turn.attempt)
            self._record.record(
                tx,
                Ending(
                    turn=turn,
                    state=TurnState.INTERRUPTED,
                    text=text,
                    attempts=(),
                    error=INTERRUPTED,
                    manifest=None,
                    is_checkpointed=True,
                    holder=holder,
                ),
            )
            return len(text)

        kept = await self._database.write(work)
        await self._signals.publish(turn_topic(turn.id))
        _log.warning("turn.recovered", turn_id=turn.id, conversation_id=turn.conversation_id, characters=kept)
