"""Batches from a transaction of one database to a transaction of another, one at a time.

Both are open at once and neither may wait for the other's event loop in its own way: SQLite works on a thread,
PostgreSQL in a greenlet of the loop. `Handover` is what both can wait for.
"""

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any, Generic, TypeVar

from sqlalchemy.util import await_only

T = TypeVar("T")


class BrokenOffError(Exception):
    """The other side has stopped; its own error says why."""


class Handover(Generic[T]):
    """Holds one batch; who brings another waits until it is taken."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Condition()
        self._held: list[T] = []
        self._is_complete = False
        self._is_broken = False

    def put(self, batch: T) -> None:
        """Bring a batch, from within a transaction. Raises BrokenOffError."""
        self._wait(self._put(batch))

    def complete(self) -> None:
        """There are no more, from within a transaction."""
        self._wait(self._complete())

    def all(self) -> Iterator[T]:
        """All that is brought, within another transaction. Raises BrokenOffError before the end."""
        while (batch := self._wait(self._take())) is not None:
            yield batch

    async def break_off(self) -> None:
        """Let nobody wait any more. Idempotent; changes nothing after the end."""
        async with self._changed:
            self._is_broken = True
            self._changed.notify_all()

    async def _put(self, batch: T) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._is_broken or not self._held)
            if self._is_broken:
                raise BrokenOffError
            self._held.append(batch)
            self._changed.notify_all()

    async def _complete(self) -> None:
        async with self._changed:
            self._is_complete = True
            self._changed.notify_all()

    async def _take(self) -> T | None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._is_broken or self._is_complete or bool(self._held))
            if self._held:
                self._changed.notify_all()
                return self._held.pop()
            if self._is_complete:
                return None
            raise BrokenOffError

    def _wait(self, step: Coroutine[Any, Any, Any]) -> Any:
        try:
            asyncio.get_running_loop()
        except RuntimeError:  # a thread
            return asyncio.run_coroutine_threadsafe(step, self._loop).result()
        return await_only(step)
