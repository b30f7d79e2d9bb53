"""Feeds the warehouse.

Triggers note which conversations and messages have changed, with the change itself, so that nothing is missed: what
turns write, imports, deletions, erasures. What is noted is carried as it is then, by key, and forgotten after that. A
process that dies in between leaves the note, and the same is carried again.
"""

from typing import Final

from conversation_engine.infra.chores import Chore
from conversation_engine.infra.db.database import Database, Tx
from conversation_engine.infra.jobs.service import JobQueue
from conversation_engine.infra.jobs.types import Job, NewJob
from conversation_engine.infra.observability.logs import get_logger
from conversation_engine.insights.warehouse.errors import WarehouseMissingError
from conversation_engine.insights.warehouse.ports import Warehouse
from conversation_engine.insights.warehouse.repo import ChangeRepo
from conversation_engine.insights.warehouse.types import Standing

FEED: Final = "feed_warehouse"
FEED_JOB: Final = NewJob(kind=FEED, key="all", payload={})
"""One for all processes: its lease sees to it that nobody carries what is older beside it."""
MOST_TRIES: Final = 12
_log = get_logger(__name__)


class WarehouseFeed:
    """The door to the warehouse, and the `JobHandler` that feeds it. Without a warehouse all of it is refused."""

    def __init__(
        self, database: Database, *, warehouse: Warehouse | None, jobs: JobQueue, seconds: float, batch: int
    ) -> None:
        """`seconds`: how often what is new is looked for; 0: never, by itself."""
        self._database = database
        self._warehouse = warehouse
        self._jobs = jobs
        self._count = batch
        self._repo = ChangeRepo()
        self.chore = Chore("warehouse", self._look, seconds=seconds if warehouse else 0)
        if warehouse is not None:
            jobs.register(FEED, self, most_attempts=MOST_TRIES)

    async def aclose(self) -> None:
        """Look no more, and hang up. Idempotent."""
        await self.chore.aclose()
        if self._warehouse is not None:
            await self._warehouse.aclose()

    async def init(self) -> None:
        """Make the warehouse's tables, and note changes from now on. Idempotent. What is older: `sync` with all."""
        await self._known().prepare()
        await self._database.migrate(self._repo.watch)

    async def switch_off(self) -> None:
        """Note no changes any more. What is in the warehouse stays there. Idempotent."""
        await self._database.migrate(self._repo.unwatch)

    async def standing(self) -> Standing:
        """How far it is."""

        def work(tx: Tx) -> Standing:
            return Standing(is_watched=self._repo.is_watched(tx), waiting=self._repo.count(tx))

        return await self._database.read(work)

    async def counts(self) -> tuple[int, int]:
        """How many sessions and messages the warehouse has."""
        return await self._known().count()

    async def sync(self, *, is_everything: bool = False) -> Standing:
        """Carry what waits, here and now, unless another process does; `is_everything`: as if all had changed.

        Raises WarehouseMissingError where changes are not noted.
        """
        self._known()
        if not (await self.standing()).is_watched:
            raise WarehouseMissingError("Changes are not noted yet. Run `convo warehouse init` once.")

        def ask(tx: Tx) -> None:
            if is_everything:
                self._repo.note_all(tx)
            self._jobs.enqueue(tx, FEED_JOB)

        await self._database.write(ask)
        await self._jobs.work_off(FEED)
        return await self.standing()

    async def __call__(self, job: Job) -> None:
        """Carry all that waits, batch by batch."""
        warehouse, carried = self._known(), 0
        while True:
            batch = await self._database.read(lambda tx: self._repo.next_batch(tx, count=self._count))
            if not batch.changes:
                break
            await warehouse.carry(batch)
            await self._database.write(lambda tx, batch=batch: self._repo.forget(tx, batch.changes))  # type: ignore[misc]
            carried += len(batch.changes)
        if carried:
            _log.info("warehouse.fed", changes=carried)

    async def give_up(self, job: Job, error_code: str) -> None:
        """The changes stay noted; the next look asks for the job again."""
        _log.error("warehouse.not_fed", error=error_code)

    def _known(self) -> Warehouse:
        if self._warehouse is None:
            raise WarehouseMissingError("There is no warehouse. Set CE_WAREHOUSE_URL.")
        return self._warehouse

    async def _look(self) -> None:
        if (await self.standing()).waiting:
            await self._database.write(lambda tx: self._jobs.enqueue(tx, FEED_JOB))
            self._jobs.wake()
