"""Background work is done at least once, by one process at a time, and never silently lost."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import bindparam, text

from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.engine.migrating import upgrade
from conversation_engine.engine.settings import Settings
from conversation_engine.infra.db.base import UtcDateTime
from conversation_engine.infra.db.database import Database
from conversation_engine.infra.db.opening import open_database
from conversation_engine.infra.jobs.repo import JobRepo
from conversation_engine.infra.jobs.service import MOST_ATTEMPTS, JobQueue
from conversation_engine.infra.jobs.types import DeadJobs, Job, NewJob
from conversation_engine.kernel.errors import InvalidInputError
from conversation_engine.testing import FakeClock, ScriptedModel
from tests.conftest import until

PAGE = NewJob(kind="read", key="page-1", payload={"page": 1})


class Reader:
    """A handler that does as the test says and remembers what it did."""

    def __init__(self) -> None:
        self.done: list[Job] = []
        self.given_up: list[str] = []
        self.fail_with: Exception | None = None
        self.gate: asyncio.Event | None = None
        self.running = 0

    async def __call__(self, job: Job) -> None:
        self.running += 1
        try:
            if self.gate is not None:
                await self.gate.wait()
            if self.fail_with is not None:
                raise self.fail_with
            self.done.append(job)
        finally:
            self.running -= 1

    async def give_up(self, job: Job, error_code: str) -> None:
        self.given_up.append(error_code)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    opened = open_database(settings.resolved_database_url, settings)
    await upgrade(opened)
    yield opened
    await opened.aclose()


@pytest.fixture
async def open_queue(
    database: Database, settings: Settings, clock: FakeClock
) -> AsyncIterator[Callable[[Reader], JobQueue]]:
    """Queues over one database, as many processes have."""
    queues: list[JobQueue] = []

    def open_one(reader: Reader) -> JobQueue:
        queue = JobQueue(database, clock=clock, settings=settings.model_copy(update={"job_poll_seconds": 0.02}))
        queue.register("read", reader)
        queue.start()
        queues.append(queue)
        return queue

    yield open_one
    for queue in queues:
        await queue.aclose()


async def enqueue(database: Database, queue: JobQueue, new: NewJob = PAGE) -> None:
    await database.write(lambda tx: queue.enqueue(tx, new))


async def stored(database: Database) -> list[dict[str, Any]]:
    return await database.read(lambda tx: [dict(row) for row in tx.execute(text("SELECT * FROM jobs")).mappings()])


OpenQueue = Callable[[Reader], JobQueue]


class TestEnqueue:
    async def test_it_is_done_and_then_forgotten(self, database: Database, open_queue: OpenQueue) -> None:
        reader = Reader()
        queue = open_queue(reader)
        await enqueue(database, queue)
        await queue.drain()
        assert [(job.key, job.payload, job.attempts) for job in reader.done] == [("page-1", {"page": 1}, 1)]
        assert await stored(database) == []

    async def test_it_does_not_outlive_a_transaction_that_fails(
        self, database: Database, open_queue: OpenQueue
    ) -> None:
        reader = Reader()
        queue = open_queue(reader)

        def work(tx: Any) -> None:
            queue.enqueue(tx, PAGE)
            raise KeyError

        with pytest.raises(KeyError):
            await database.write(work)
        assert await stored(database) == []

    async def test_the_same_key_is_the_same_job(self, database: Database, open_queue: OpenQueue) -> None:
        reader = Reader()
        reader.gate = asyncio.Event()
        queue = open_queue(reader)
        other = NewJob(kind="read", key="page-2", payload={})
        for new in (PAGE, other, other, other):
            await enqueue(database, queue, new)
        reader.gate.set()
        await queue.drain()
        assert sorted(job.key for job in reader.done).count("page-2") == 1

    async def test_asked_for_while_it_runs_it_runs_once_more(self, database: Database, open_queue: OpenQueue) -> None:
        reader = Reader()
        reader.gate = asyncio.Event()
        queue = open_queue(reader)
        await enqueue(database, queue)
        await until(lambda: reader.running == 1)
        await enqueue(database, queue, NewJob(kind="read", key="page-1", payload={"page": 2}))
        reader.gate.set()
        await queue.drain()
        assert [job.payload["page"] for job in reader.done] == [1, 2]


class TestFailure:
    async def test_it_comes_back_after_twice_the_wait_each_time(
        self, database: Database, open_queue: OpenQueue, clock: FakeClock
    ) -> None:
        reader = Reader()
        reader.fail_with = InvalidInputError("no")
        queue = open_queue(reader)
        await enqueue(database, queue)
        waits = []
        for attempt in range(1, 4):
            async with asyncio.timeout(10):
                while not (rows := await stored(database)) or rows[0]["attempts"] < attempt or rows[0]["lease_owner"]:
                    await asyncio.sleep(0.01)
            for seconds in range(1, 100):
                if await database.read(
                    lambda tx, s=seconds: JobRepo().is_any_due(tx, ["read"], now=_later(clock, s))  # type: ignore[misc]
                ):
                    waits.append(seconds)
                    break
            clock.advance(seconds=waits[-1])
        assert waits == [2, 4, 8]
        reader.fail_with = None
        clock.advance(seconds=60)
        await queue.drain()
        assert [job.attempts for job in reader.done] == [4]

    async def test_after_the_last_attempt_it_is_dead_and_stays_to_be_seen(
        self, database: Database, open_queue: OpenQueue, clock: FakeClock
    ) -> None:
        reader = Reader()
        reader.fail_with = InvalidInputError("no")
        queue = open_queue(reader)
        await enqueue(database, queue)
        async with asyncio.timeout(10):
            while not reader.given_up:
                clock.advance(seconds=60)
                await asyncio.sleep(0.01)
        await queue.drain()
        [dead] = await database.read(lambda tx: JobRepo().list_dead(tx, count=10))
        assert (dead.key, dead.error_code, dead.attempts) == ("page-1", "invalid_input", MOST_ATTEMPTS)
        reader.fail_with = None
        await enqueue(database, queue)
        await queue.drain()
        assert len(reader.done) == 1

    async def test_what_is_not_ours_reads_as_an_internal_error(self, database: Database, open_queue: OpenQueue) -> None:
        reader = Reader()
        reader.fail_with = RuntimeError("secret words")
        queue = open_queue(reader)
        await enqueue(database, queue)
        async with asyncio.timeout(10):
            while not (rows := await stored(database)) or rows[0]["error_code"] is None:
                await asyncio.sleep(0.01)
        assert rows[0]["error_code"] == "internal_error"


class TestProcesses:
    async def test_two_never_do_the_same_job(self, database: Database, open_queue: OpenQueue) -> None:
        readers = [Reader(), Reader()]
        queues = [open_queue(reader) for reader in readers]
        for number in range(20):
            await enqueue(database, queues[0], NewJob(kind="read", key=str(number), payload={}))
        await queues[0].drain()
        keys = [job.key for reader in readers for job in reader.done]
        assert sorted(keys, key=int) == [str(number) for number in range(20)]

    async def test_the_job_of_a_dead_process_is_done_by_another(
        self, database: Database, open_queue: OpenQueue, clock: FakeClock, settings: Settings
    ) -> None:
        dead = JobQueue(database, clock=clock, settings=settings)
        await enqueue(database, dead)
        far = _later(clock, 60)
        await database.write(
            lambda tx: JobRepo().claim(tx, ["read"], now=clock.now(), holder=_HOLDER, until=far, count=1)
        )
        reader = Reader()
        queue = open_queue(reader)
        await asyncio.sleep(0.1)
        assert reader.done == []
        clock.advance(seconds=61)
        await queue.drain()
        assert [job.attempts for job in reader.done] == [2]

    async def test_a_process_that_stops_gives_its_job_back_at_once(
        self, database: Database, open_queue: OpenQueue
    ) -> None:
        stopping = Reader()
        stopping.gate = asyncio.Event()
        queue = open_queue(stopping)
        await enqueue(database, queue)
        await until(lambda: stopping.running == 1)
        await queue.aclose()
        reader = Reader()
        await open_queue(reader).drain()
        assert [job.attempts for job in reader.done] == [1]

    async def test_what_kills_every_process_that_tries_it_is_given_up(
        self, database: Database, open_queue: OpenQueue, clock: FakeClock, settings: Settings
    ) -> None:
        killer = JobQueue(database, clock=clock, settings=settings)
        await enqueue(database, killer)
        for _ in range(MOST_ATTEMPTS):
            until_then = _later(clock, 1)
            await database.write(
                lambda tx, end=until_then: JobRepo().claim(  # type: ignore[misc]
                    tx, ["read"], now=clock.now(), holder=_HOLDER, until=end, count=1
                )
            )
            clock.advance(seconds=2)
        reader = Reader()
        await open_queue(reader).drain()
        assert (reader.done, reader.given_up) == ([], ["internal_error"])


class TestEngine:
    async def test_it_takes_no_job_where_that_is_left_to_others(self, settings: Settings) -> None:
        reader = Reader()
        engine = ConversationEngine(
            settings.model_copy(update={"jobs_at_once": 0}), providers={"scripted": ScriptedModel()}
        )
        engine.jobs.register("read", reader)
        async with engine:
            await enqueue(engine.database, engine.jobs)
            with pytest.raises(TimeoutError):
                await engine.jobs.drain(seconds=0.2)
        assert reader.done == []


_HOLDER = "01890a5d-ac96-774b-bcce-b302099a8057"


def _later(clock: FakeClock, seconds: float) -> Any:
    later = FakeClock(clock.now())
    later.advance(seconds=seconds)
    return later.now()


class TestDeadJobs:
    async def test_an_operator_has_them_done_after_all_or_forgets_them(
        self, database: Database, open_queue: OpenQueue
    ) -> None:
        reader = Reader()
        queue = open_queue(reader)
        for number in range(4):
            await enqueue(database, queue, NewJob(kind="read" if number else "other", key=str(number), payload={}))
        await queue.drain()
        reader.done.clear()
        for number in range(3):
            await enqueue(database, queue, NewJob(kind="other", key=f"o{number}", payload={}))
        bury = text("UPDATE jobs SET died_at = :at, attempts = 5, error_code = 'internal_error' WHERE key <> 'o2'")
        at = bindparam("at", datetime(2026, 1, 1, tzinfo=UTC), type_=UtcDateTime)
        await database.write(lambda tx: tx.execute(bury.bindparams(at)))
        dead = await queue.list_dead()
        assert sorted(job.key for job in dead) == ["0", "o0", "o1"]
        first = next(job for job in dead if job.key == "o0")
        assert await queue.retry(DeadJobs(ids=[first.id])) == 1
        assert await queue.retry(DeadJobs(ids=[first.id])) == 0, "it is not dead any more"
        assert await queue.retry(DeadJobs(kind="read")) == 0
        assert await queue.drop(DeadJobs(kind="other")) == 2
        queue.register("other", reader)
        await queue.drain()
        assert sorted((job.key, job.attempts) for job in reader.done) == [("o0", 1), ("o2", 1)]
        assert await queue.list_dead() == []
