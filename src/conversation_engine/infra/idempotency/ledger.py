"""Runs a transaction's effect once for each key."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

from sqlalchemy import delete, insert, select

from conversation_engine.infra.db.database import ConstraintViolation, Database, Tx
from conversation_engine.infra.idempotency.models import IdempotencyKeyModel
from conversation_engine.kernel.clock import Clock
from conversation_engine.kernel.once import IdempotencyKeyReusedError, Once

T = TypeVar("T")
_keys = IdempotencyKeyModel.__table__


class IdempotencyLedger:
    """Knows which keys took effect, and with which result."""

    def __init__(self, database: Database, *, clock: Clock, hours: float) -> None:
        self._database = database
        self._clock = clock
        self._lifetime = timedelta(hours=hours)

    async def write(
        self,
        once: Once | None,
        effect: Callable[[Tx], T],
        *,
        owner_id: str,
        result_id: str,
        replay: Callable[[Tx, str], T],
    ) -> T:
        """Run `effect` in one transaction with its key; for a key that took effect already, `replay` its result's id.

        Of duplicates that race, on any number of processes, one takes effect: the others wait for its commit. One
        statement more than without a key. Raises IdempotencyKeyReusedError, and what `effect` raises: then the key
        is free again.
        """
        if once is None:
            return await self._database.write(effect)

        def work(tx: Tx) -> T:
            self._note(tx, once, owner_id=owner_id, result_id=result_id)
            return effect(tx)

        try:
            return await self._database.write(work)
        except ConstraintViolation:
            known = await self._database.write(lambda tx: self._find(tx, once, owner_id=owner_id))
            if known is None:  # another constraint was broken, or the key was too old and is now forgotten
                return await self._database.write(work)
        return await self._database.read(lambda tx: replay(tx, known))

    async def sweep(self) -> int:
        """Forget keys that are too old. Returns how many. One statement."""
        old = delete(_keys).where(_keys.c.created_at < self._oldest())
        return await self._database.write(lambda tx: tx.execute(old).rowcount)

    def _note(self, tx: Tx, once: Once, *, owner_id: str, result_id: str) -> None:
        tx.execute(
            insert(_keys),
            {
                "owner_id": owner_id,
                "key": once.key,
                "fingerprint": once.fingerprint,
                "result_id": result_id,
                "created_at": self._clock.now(),
            },
        )

    def _find(self, tx: Tx, once: Once, *, owner_id: str) -> str | None:
        of_key = (_keys.c.owner_id == owner_id, _keys.c.key == once.key)
        row = tx.execute(select(*_keys.c).where(*of_key)).first()
        if row is None:
            return None
        if row.created_at < self._oldest():
            tx.execute(delete(_keys).where(*of_key))
            return None
        if row.fingerprint != once.fingerprint:
            raise IdempotencyKeyReusedError
        result_id: str = row.result_id
        return result_id

    def _oldest(self) -> datetime:
        return self._clock.now() - self._lifetime
