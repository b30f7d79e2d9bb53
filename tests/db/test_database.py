"""The unit-of-work seam, on both databases."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from conversation_engine.engine.settings import Settings
from conversation_engine.infra.db.database import Database
from conversation_engine.infra.db.errors import DatabaseUnavailableError
from conversation_engine.infra.db.opening import backend_of, open_database
from conversation_engine.infra.db.sqlite import SqliteDatabase
from conversation_engine.kernel.errors import InvalidInputError


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    database = open_database(settings.resolved_database_url, settings)
    await database.write(lambda tx: tx.execute(text("CREATE TABLE notes (n INTEGER PRIMARY KEY)")))
    yield database
    await database.aclose()


def note(n: int) -> Any:
    return lambda tx: tx.execute(text("INSERT INTO notes VALUES (:n)"), {"n": n})


def notes(tx: Any) -> list[int]:
    return list(tx.scalars(text("SELECT n FROM notes ORDER BY n")))


class TestWrite:
    async def test_it_is_committed_when_it_returns(self, database: Database, settings: Settings) -> None:
        await database.write(note(1))
        other = open_database(settings.resolved_database_url, settings)
        assert await other.read(notes) == [1]
        await other.aclose()

    @pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
    async def test_all_of_it_is_rolled_back_when_it_raises(
        self, database: Database, error: type[BaseException]
    ) -> None:
        class Ours(Exception):
            pass

        def work(tx: Any) -> None:
            note(1)(tx)
            raise Ours if error is ValueError else IntegrityError("", {}, Exception())

        with pytest.raises((Ours, IntegrityError)):
            await database.write(work)
        assert await database.read(notes) == []
        await database.write(note(2))
        assert await database.read(notes) == [2]

    async def test_a_broken_constraint_rolls_back_and_the_next_one_works(self, database: Database) -> None:
        await database.write(note(1))

        def work(tx: Any) -> None:
            note(2)(tx)
            note(1)(tx)

        with pytest.raises(IntegrityError):
            await database.write(work)
        await database.write(note(3))
        assert await database.read(notes) == [1, 3]

    async def test_a_hundred_at_once_all_count(self, database: Database) -> None:
        await database.write(note(0))

        def bump(tx: Any) -> None:
            tx.execute(text("UPDATE notes SET n = n + 1"))

        await asyncio.gather(*(database.write(bump) for _ in range(100)))
        assert await database.read(notes) == [100]

    async def test_a_caller_who_gives_up_leaves_all_or_nothing(self, database: Database) -> None:
        def work(tx: Any) -> None:
            note(1)(tx)
            time.sleep(0.05)
            note(2)(tx)

        writing = asyncio.create_task(database.write(work))
        await asyncio.sleep(0.02)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        await database.write(note(3))
        assert await database.read(notes) in ([3], [1, 2, 3])


class TestRead:
    async def test_it_does_not_wait_for_a_long_write(self, tmp_path: Any) -> None:
        """On PostgreSQL a unit of work runs on the event loop between awaits, so the question is SQLite's."""
        database = SqliteDatabase(f"sqlite:///{tmp_path / 'long.db'}")
        await database.write(lambda tx: tx.execute(text("CREATE TABLE notes (n INTEGER PRIMARY KEY)")))
        may_end = threading.Event()

        def long(tx: Any) -> None:
            note(1)(tx)
            may_end.wait(10)

        writing = asyncio.create_task(database.write(long))
        await asyncio.sleep(0.05)
        async with asyncio.timeout(2):
            assert await asyncio.gather(*(database.read(notes) for _ in range(20))) == [[]] * 20
        assert not writing.done()
        may_end.set()
        await writing
        assert await database.read(notes) == [1]
        await database.aclose()


class TestSqlite:
    async def test_writes_queue_in_the_order_they_came(self, tmp_path: Any) -> None:
        database = SqliteDatabase(f"sqlite:///{tmp_path / 'order.db'}")
        order: list[int] = []
        running = 0

        def work(number: int) -> Any:
            def run(tx: Any) -> None:
                nonlocal running
                running += 1
                assert running == 1
                order.append(number)
                time.sleep(0.001)
                running -= 1

            return run

        await asyncio.gather(*(database.write(work(number)) for number in range(30)))
        assert order == list(range(30))
        await database.aclose()

    async def test_two_processes_take_turns(self, tmp_path: Any) -> None:
        url = f"sqlite:///{tmp_path / 'two.db'}"
        databases = [SqliteDatabase(url), SqliteDatabase(url)]
        await databases[0].write(lambda tx: tx.execute(text("CREATE TABLE notes (n INTEGER)")))
        await databases[0].write(note(0))

        def bump(tx: Any) -> None:
            tx.execute(text("UPDATE notes SET n = n + 1"))

        await asyncio.gather(*(databases[number % 2].write(bump) for number in range(60)))
        assert await databases[1].read(notes) == [60]
        for database in databases:
            await database.aclose()

    async def test_a_commit_is_safe_from_the_death_of_the_process(self, tmp_path: Any) -> None:
        database = SqliteDatabase(f"sqlite:///{tmp_path / 'wal.db'}")
        pragmas = ("journal_mode", "synchronous", "foreign_keys")
        found = await database.read(lambda tx: [tx.exec_driver_sql(f"PRAGMA {name}").scalar() for name in pragmas])
        assert found == ["wal", 1, 1]
        await database.aclose()

    @pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite:///"])
    def test_memory_is_refused(self, url: str) -> None:
        with pytest.raises(ValueError, match="file"):
            SqliteDatabase(url)

    async def test_closing_twice_is_fine(self, database: Database) -> None:
        await database.aclose()
        await database.aclose()


class TestBackendOf:
    @pytest.mark.parametrize(
        ("url", "backend"),
        [
            ("sqlite:///a.db", "sqlite"),
            ("postgresql://u:p@h/d", "postgresql"),
            ("postgresql+asyncpg://u:p@h/d", "postgresql"),
        ],
    )
    def test_it_knows_two(self, url: str, backend: str) -> None:
        assert backend_of(url) == backend

    @pytest.mark.parametrize("url", ["", "nonsense", "mysql://u:hush@h/d", "http://hush@x"])
    def test_it_refuses_others_without_repeating_the_url(self, url: str) -> None:
        with pytest.raises(InvalidInputError) as refused:
            backend_of(url)
        assert "hush" not in refused.value.detail

    def test_a_url_is_shown_without_its_password(self, settings: Settings) -> None:
        database = open_database("postgresql://u:hush@h/d", settings)
        assert "hush" not in database.url


class TestClosed:
    async def test_it_opens_nothing_any_more(self, settings: Settings) -> None:
        database = open_database(settings.resolved_database_url, settings)
        await database.read(lambda tx: None)
        await database.aclose()
        with pytest.raises(DatabaseUnavailableError):
            await database.read(lambda tx: None)
