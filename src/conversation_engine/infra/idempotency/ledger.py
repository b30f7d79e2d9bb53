"""Runs a transaction's effect once for each key."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

from conversation_engine.infra.db.database import ConstraintViolation, Database, Tx
from conversation_engine.infra.idempotency.repo import IdempotencyRepo, UsedKey
from conversation_engine.infra.ids import new_id
from conversation_engine.kernel.clock import Clock
from conversation_engine.kernel.once import IdempotencyKeyReusedError, KeptAnswer, KeyTakenError, Once

T = TypeVar("T")


class IdempotencyLedger:
    """Knows which keys took effect, and with which result."""

    def __init__(self, database: Database, *, clock: Clock, hours: float) -> None:
        self._database = database
        self._clock = clock
        self._repo = IdempotencyRepo()
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
            self._repo.insert(tx, once, owner_id=owner_id, result_id=result_id, at=self._clock.now())
            return effect(tx)

        try:
            return await self._database.write(work)
        except ConstraintViolation:
            known = await self.find(once, owner_id=owner_id)
            if known is None:  # another constraint was broken, or the key was too old and is now forgotten
                return await self._database.write(work)
        return await self._database.read(lambda tx: replay(tx, known.result_id))

    async def find(self, once: Once, *, owner_id: str) -> UsedKey | None:
        """What the key was used for, unless it is too old and now forgotten. Raises IdempotencyKeyReusedError."""
        return await self._database.write(lambda tx: self._find(tx, once, owner_id=owner_id))

    def claim(self, tx: Tx, once: Once, *, owner_id: str) -> None:
        """Use a key in the caller's transaction, for a request whose answer will be kept. Raises KeyTakenError."""
        try:
            self._repo.insert(tx, once, owner_id=owner_id, result_id=new_id(), at=self._clock.now())
        except ConstraintViolation as error:
            raise KeyTakenError from error

    async def keep(self, once: Once, answer: KeptAnswer, *, owner_id: str) -> None:
        """Keep the answer to a request that used a key; no effect where that is gone."""
        await self._database.write(lambda tx: self._repo.keep_answer(tx, once, answer, owner_id=owner_id))

    async def release(self, once: Once, *, owner_id: str) -> None:
        """Let a key be used again."""
        await self._database.write(lambda tx: self._repo.delete(tx, once, owner_id=owner_id))

    async def sweep(self) -> int:
        """Forget keys that are too old. Returns how many. One statement."""
        return await self._database.write(lambda tx: self._repo.delete_older(tx, than=self._oldest()))

    def _find(self, tx: Tx, once: Once, *, owner_id: str) -> UsedKey | None:
        used = self._repo.find(tx, once, owner_id=owner_id)
        if used is None:
            return None
        if used.created_at < self._oldest():
            self._repo.delete(tx, once, owner_id=owner_id)
            return None
        if used.fingerprint != once.fingerprint:
            raise IdempotencyKeyReusedError
        return used

    def _oldest(self) -> datetime:
        return self._clock.now() - self._lifetime
