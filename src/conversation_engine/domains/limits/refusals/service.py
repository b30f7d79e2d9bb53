"""Counts refusals, so that an admin sees whom rules meet: in memory at the request, in the database now and then."""

from collections import Counter
from datetime import timedelta
from typing import Final

from conversation_engine.domains.limits.refusals.repo import RefusalRepo
from conversation_engine.domains.limits.refusals.types import RefusalKey, Refusals
from conversation_engine.infra.chores import Chore
from conversation_engine.infra.db.database import Database, Tx
from conversation_engine.kernel.clock import Clock
from conversation_engine.kernel.ids import UserId
from conversation_engine.kernel.people import Principal, Role, require_role

WRITE_SECONDS: Final = 10.0
KEPT_DAYS: Final = 30
MOST_REMEMBERED: Final = 10_000
"""Keys between two writings. Beyond, people who come anew are counted together, as `EVERYBODY_ELSE`."""
EVERYBODY_ELSE: Final = UserId("*")
MOST_PEOPLE: Final = 100


class RefusalBook:
    """Who asks on and on costs no statement: a row for each hour, rule and person, written every ten seconds.

    A process that dies takes the refusals of its last seconds with it.
    """

    def __init__(self, database: Database, *, clock: Clock, most_remembered: int = MOST_REMEMBERED) -> None:
        self._database = database
        self._clock = clock
        self._most_remembered = most_remembered
        self._refusals = RefusalRepo()
        self._counts: Counter[RefusalKey] = Counter()
        self.chore = Chore("refusals", self.write, seconds=WRITE_SECONDS, is_first_at_once=False)

    def note(self, user_id: UserId, rule: str) -> None:
        """Somebody was refused."""
        hour = self._clock.now().replace(minute=0, second=0, microsecond=0)
        key = RefusalKey(hour=hour, rule=rule, user_id=user_id)
        if key not in self._counts and len(self._counts) >= self._most_remembered:
            key = RefusalKey(hour=hour, rule=rule, user_id=EVERYBODY_ELSE)
        self._counts[key] += 1

    async def write(self) -> None:
        """Put on record what was counted since the last time. No statement where that is nothing."""
        counts, self._counts = self._counts, Counter()
        if not counts:
            return
        now = self._clock.now()

        def work(tx: Tx) -> None:
            self._refusals.add(tx, counts, at=now)
            self._refusals.delete_before(tx, now - timedelta(days=KEPT_DAYS))

        try:
            await self._database.write(work)
        except Exception:
            self._counts.update(counts)
            raise

    async def look(self, caller: Principal, *, days: int) -> Refusals:
        """Those of the last days, this moment's included where this process refused. Raises RoleForbiddenError."""
        require_role(caller, Role.ADMIN)
        await self.write()
        since = self._clock.now() - timedelta(days=days)
        return await self._database.read(
            lambda tx: Refusals(
                since=since,
                hours=self._refusals.list_hours(tx, since=since),
                people=self._refusals.list_people(tx, since=since, count=MOST_PEOPLE),
            )
        )

    async def aclose(self) -> None:
        """Stop, and write what is left."""
        await self.chore.aclose()
        await self.write()
