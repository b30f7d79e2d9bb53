"""Adds changed conversations up, so that statistics need not."""

from contextlib import suppress
from typing import Final

from conversation_engine.infra.chores import BESIDE_TURNS, Chore
from conversation_engine.infra.db.database import ConstraintViolation, Database
from conversation_engine.insights.statistics.repo import StatisticsRepo
from conversation_engine.insights.statistics.types import Scope

AT_ONCE: Final = 200
"""Conversations of one transaction: others want to write, too."""


class Folder:
    """Any process may do it, also many at once: whoever comes second finds nothing left to do.

    It costs a turn nothing. What it has not come to, statistics work out themselves.
    """

    def __init__(self, database: Database, *, seconds: float) -> None:
        """Looks every `seconds`; 0: never by itself."""
        self._database = database
        self._repo = StatisticsRepo()
        self.chore = Chore(
            "statistics", self.fold, seconds=seconds, rest_times=lambda: BESIDE_TURNS, is_first_at_once=False
        )

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
