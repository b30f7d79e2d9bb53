"""Every query about calls that are being made."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, delete, insert, select, update

from conversation_engine.domains.llm.lost import lost
from conversation_engine.domains.llm.types import Attempt, TokenUsage, UsageSource
from conversation_engine.infra.db.database import Tx
from conversation_engine.infra.db.prepared import Prepared
from conversation_engine.kernel.ids import TurnId, UserId
from conversation_engine.turns.begun_calls.models import BegunCallModel

_begun = BegunCallModel.__table__
_INSERT = Prepared(insert(_begun))
_DELETE = Prepared(delete(_begun).where(_begun.c.turn_id == bindparam("calls_id")).returning(_begun.c.owner_id))


class BegunCallRepo:
    """Rows of `begun_calls`."""

    def insert(self, tx: Tx, presumed: Attempt, *, held_until: datetime) -> None:
        """Write down a call that is about to be made."""
        usage = presumed.usage
        _INSERT.run(
            tx,
            {
                "turn_id": presumed.turn_id,
                "conversation_id": presumed.conversation_id,
                "owner_id": presumed.owner_id,
                "attempt": presumed.attempt,
                "provider": presumed.provider,
                "model": presumed.model,
                "input_tokens": usage.input_tokens if usage else 0,
                "cost": presumed.cost,
                "created_at": presumed.created_at,
                "held_until": held_until,
            },
        )

    def delete(self, tx: Tx, calls_id: TurnId) -> UserId | None:
        """It has ended: whose it is, who may have been erased meanwhile; `None` where it was given up.

        Waits for one who is giving it up.
        """
        row = _DELETE.first(tx, {"calls_id": calls_id})
        return None if row is None else UserId(row.owner_id)

    def give_up(self, tx: Tx, calls_id: TurnId, *, now: datetime) -> UserId | None:
        """Delete one that nobody holds any more; whose it is.

        `None` where it has ended, is held again, or another was faster.
        """
        lost = (_begun.c.turn_id == calls_id, _begun.c.held_until < now)
        owner_id: UserId | None = tx.scalar(delete(_begun).where(*lost).returning(_begun.c.owner_id))
        return owner_id

    def hold(self, tx: Tx, calls_ids: Sequence[TurnId], *, until: datetime) -> None:
        """These are not given up before."""
        tx.execute(update(_begun).where(_begun.c.turn_id.in_(calls_ids)).values(held_until=until))

    def list_lost(self, tx: Tx, *, now: datetime, count: int) -> Sequence[Attempt]:
        """Those that nobody holds any more: a scan of a table of what is running."""
        query = select(*_begun.c).where(_begun.c.held_until < now).limit(count)
        return [_lost(row) for row in tx.execute(query)]


def _lost(row: Row[Any]) -> Attempt:
    return lost(
        turn_id=row.turn_id,
        conversation_id=row.conversation_id,
        owner_id=row.owner_id,
        attempt=row.attempt,
        provider=row.provider,
        model=row.model,
        parameters={},
        usage=TokenUsage(input_tokens=row.input_tokens, cached_tokens=0, output_tokens=0, source=UsageSource.ESTIMATED),
        cost=row.cost,
        at=row.created_at,
    )
