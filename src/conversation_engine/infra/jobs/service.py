"""Durable background work, on either database, without a server of its own.

A job is enqueued in the transaction of whatever makes it necessary. Any process claims it for a time (a lease, with
signs of life), does it and deletes it. A job that fails comes back later, each time after twice the wait; one that
failed `MOST_ATTEMPTS` times (its kind may have another number), or whose process died as often, is dead and stays for
an operator to see.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Final

from conversation_engine.infra.chores import Chore
from conversation_engine.infra.db.database import Database, Tx
from conversation_engine.infra.ids import new_id
from conversation_engine.infra.jobs.repo import JobRepo
from conversation_engine.infra.jobs.settings import JobSettings
from conversation_engine.infra.jobs.types import DeadJob, DeadJobs, Job, JobHandler, NewJob
from conversation_engine.infra.observability.catalogue import JOBS
from conversation_engine.infra.observability.logs import get_logger
from conversation_engine.infra.observability.recording import SILENCE, Recorder
from conversation_engine.kernel.clock import Clock
from conversation_engine.kernel.errors import EngineError, InternalError

MOST_ATTEMPTS: Final = 5
FIRST_WAIT_SECONDS: Final = 2.0
MOST_WORKED_OFF: Final = 100
_log = get_logger(__name__)


class JobQueue:
    """What is to be done. `register` handlers, then `start`; `aclose` gives unfinished jobs back."""

    def __init__(
        self, database: Database, *, clock: Clock, settings: JobSettings, recorder: Recorder = SILENCE
    ) -> None:
        self._database = database
        self._recorder = recorder
        self._clock = clock
        self._settings = settings
        self._repo = JobRepo()
        self._holder = new_id()
        self._handlers: dict[str, JobHandler] = {}
        self._most_attempts: dict[str, int] = {}
        self._running: dict[str, tuple[Job, asyncio.Task[None]]] = {}
        self._claiming = Chore("jobs", self._claim, seconds=settings.job_poll_seconds)
        self._signs = Chore("job-leases", self._give_signs, seconds=settings.job_lease_seconds / 3)

    def register(self, kind: str, handler: JobHandler, *, most_attempts: int = MOST_ATTEMPTS) -> None:
        """Let `handler` do the jobs of this kind; after so many failures one is dead."""
        self._handlers[kind] = handler
        self._most_attempts[kind] = most_attempts

    def enqueue(self, tx: Tx, new: NewJob, *, delay_seconds: float = 0.0) -> None:
        """Have it done after `tx` is committed. One statement. Call `wake` then, or it waits for the next look."""
        now = self._clock.now()
        self._repo.insert(tx, new, at=now, run_at=now + timedelta(seconds=delay_seconds))

    def forget(self, tx: Tx, *, kind: str, keys: list[str]) -> None:
        """Its subject is gone. One that is being done goes on until it notices."""
        self._repo.delete(tx, kind=kind, keys=keys)

    def wake(self) -> None:
        """Look for work now."""
        self._claiming.wake()

    def start(self) -> None:
        """Begin to work, unless this process leaves that to others."""
        if self._settings.jobs_at_once and self._handlers:
            self._claiming.start()
            self._signs.start()

    async def aclose(self) -> None:
        """Stop what runs and let others claim it at once. Idempotent."""
        await self._claiming.aclose()
        await self._signs.aclose()
        tasks = [task for _, task in self._running.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    @property
    def kinds(self) -> Collection[str]:
        """What this process can do."""
        return self._handlers.keys()

    async def count(self) -> Mapping[tuple[str, str], int]:
        """How many jobs of each kind wait, run and are dead. One statement, over jobs that are not done."""
        return await self._database.read(self._repo.count_by_state)

    async def list_dead(self, *, count: int = 100) -> Sequence[DeadJob]:
        """The last ones that were given up, newest first. One statement."""
        return await self._database.read(lambda tx: self._repo.list_dead(tx, count=count))

    async def retry(self, which: DeadJobs) -> int:
        """Have dead jobs done after all, with all their attempts before them; how many. Idempotent."""
        now = self._clock.now()
        revived = await self._database.write(lambda tx: self._repo.revive(tx, which, now=now))
        self.wake()
        return revived

    async def drop(self, which: DeadJobs) -> int:
        """Forget dead jobs for good; how many. Idempotent."""
        return await self._database.write(lambda tx: self._repo.drop(tx, which))

    async def drain(self, *, seconds: float = 60.0) -> None:
        """Wait until nothing is left to do but what has died; for tests and the command line. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while await self._database.read(lambda tx: self._repo.count_alive(tx, list(self._handlers))):
                self.wake()
                await asyncio.sleep(0.02)

    async def work_off(self, *kinds: str) -> None:
        """Do what is due of these kinds now, here: for commands, which do not `start`. What fails stays for others."""
        now = self._clock.now()
        until = now + timedelta(seconds=self._settings.job_lease_seconds)
        jobs = await self._database.write(
            lambda tx: self._repo.claim(tx, kinds, now=now, holder=self._holder, until=until, count=MOST_WORKED_OFF)
        )
        for job in jobs:
            await self._settle(job, await self._attempt(job))

    async def _claim(self) -> None:
        free = self._settings.jobs_at_once - len(self._running)
        kinds, now = list(self._handlers), self._clock.now()
        if free <= 0 or not await self._database.read(lambda tx: self._repo.is_any_due(tx, kinds, now=now)):
            return
        until = now + timedelta(seconds=self._settings.job_lease_seconds)
        jobs = await self._database.write(
            lambda tx: self._repo.claim(tx, kinds, now=now, holder=self._holder, until=until, count=free)
        )
        for job in jobs:
            task = asyncio.create_task(self._do(job), name=f"job-{job.kind}")
            self._running[job.id] = (job, task)

    async def _do(self, job: Job) -> None:
        try:
            error = await self._attempt(job)
            await self._settle(job, error)
        except asyncio.CancelledError:
            with suppress(Exception):  # its lease runs out, then
                now = self._clock.now()
                await self._database.write(lambda tx: self._repo.release(tx, job, holder=self._holder, now=now))
            raise
        except Exception as error:  # noqa: BLE001 - its lease runs out, and somebody tries again
            _log.warning("job.not_settled", kind=job.kind, job_id=job.id, error=type(error).__name__)
        finally:
            self._running.pop(job.id, None)
            self.wake()

    async def _attempt(self, job: Job) -> EngineError | None:
        if job.attempts > self._most_attempts[job.kind]:  # the processes that tried it died of it
            return InternalError()
        try:
            await self._handlers[job.kind](job)
        except EngineError as error:
            _log.warning("job.failed", kind=job.kind, job_id=job.id, attempt=job.attempts, error=error.code)
            return error
        except Exception:  # noqa: BLE001 - whatever it is, the other jobs go on
            _log.exception("job.crashed", kind=job.kind, job_id=job.id, attempt=job.attempts)
            return InternalError()
        return None

    async def _settle(self, job: Job, error: EngineError | None) -> None:
        now = self._clock.now()
        if error is None:
            await self._database.write(lambda tx: self._repo.finish(tx, job, holder=self._holder, now=now))
            self._recorder.add(JOBS, job.kind, "done")
            return
        if job.attempts >= self._most_attempts[job.kind]:
            await self._handlers[job.kind].give_up(job, error.code)
            await self._database.write(
                lambda tx: self._repo.bury(tx, job, holder=self._holder, at=now, error_code=error.code)
            )
            self._recorder.add(JOBS, job.kind, "died")
            _log.error("job.died", kind=job.kind, job_id=job.id, error=error.code)
            return
        run_at = now + timedelta(seconds=FIRST_WAIT_SECONDS * 2 ** (job.attempts - 1))
        await self._database.write(
            lambda tx: self._repo.postpone(tx, job, holder=self._holder, run_at=run_at, error_code=error.code)
        )
        self._recorder.add(JOBS, job.kind, "failed")

    async def _give_signs(self) -> None:
        if ids := list(self._running):
            until = self._clock.now() + timedelta(seconds=self._settings.job_lease_seconds)
            await self._database.write(lambda tx: self._repo.extend(tx, ids, holder=self._holder, until=until))
