"""Adds changed conversations up, so that statistics need not."""

import asyncio
from contextlib import suppress
from typing import Final

from conversation_engine.infra.db.database import ConstraintViolation, Database
from conversation_engine.infra.observability.logs import get_logger
from conversation_engine.insights.statistics.repo import StatisticsRepo
from conversation_engine.insights.statistics.types import Scope
from conversation_engine.kernel.clock import Clock

AT_ONCE: Final = 200
"""Conversations of one transaction: others want to write, too."""
REST_TIMES: Final = 50
"""It rests so many times as long as it worked: statistics may have a fiftieth of one core."""
_log = get_logger(__name__)


class Folder:
    """Any process may do it, also many at once: whoever comes second finds nothing left to do.

    It costs a turn nothing. What it has not come to, statistics work out themselves.
    """

    def __init__(self, database: Database, *, clock: Clock, seconds: float) -> None:
        """Looks every `seconds`; 0: never by itself."""
        self._database = database
        self._clock = clock
        self._seconds = seconds
        self._repo = StatisticsRepo()
        self._loop: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        if self._seconds:
            self._loop = asyncio.create_task(self._run(), name="statistics")

    async def aclose(self) -> None:
        """Stop looking. Idempotent."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.wait([self._loop])

    async def fold(self) -> int:
        """Add up all that changed; how many conversations these were. A transaction for each `AT_ONCE` of them."""
        changed = await self._database.read(lambda tx: self._repo.list_changed(tx, Scope()))
        for begin in range(0, len(changed), AT_ONCE):
            these = changed[begin : begin + AT_ONCE]
            with suppress(ConstraintViolation):  # the next round finds what is still to be done
                await self._database.write(lambda tx, these=these: self._repo.fold(tx, these))  # type: ignore[misc]
        return len(changed)

    async def rebuild(self) -> int:
        """Throw all sums away and add up again; statistics stay exact all the while. How many conversations."""
        await self._database.write(self._repo.forget)
        return await self.fold()

    async def _run(self) -> None:
        wait = self._seconds
        while True:
            await asyncio.sleep(wait)
            begun = self._clock.monotonic()
            try:
                await self.fold()
            except Exception as error:  # noqa: BLE001 - a chore must outlive the store's bad minutes
                _log.warning("chore.failed", chore="statistics", error=type(error).__name__)
            wait = max(self._seconds, (self._clock.monotonic() - begun) * REST_TIMES)
