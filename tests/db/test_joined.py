"""An effect that joins the next transaction which writes."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import Connection, text

from conversation_engine.engine.settings import Settings
from conversation_engine.infra.db.database import Database
from conversation_engine.infra.db.joined import joining
from conversation_engine.infra.db.opening import open_database


@pytest.fixture
async def noted(settings: Settings) -> AsyncIterator[Database]:
    database = open_database(settings.resolved_database_url, settings)
    await database.write(lambda tx: tx.execute(text("CREATE TABLE notes (what VARCHAR(20) PRIMARY KEY)")))
    yield database
    await database.aclose()


def note(tx: Connection, what: str) -> None:
    tx.execute(text("INSERT INTO notes VALUES (:what)"), {"what": what})


async def notes(database: Database) -> set[str]:
    return set(await database.read(lambda tx: tx.scalars(text("SELECT what FROM notes")).all()))


class TestJoining:
    async def test_it_is_committed_with_the_first_write_and_only_that(self, noted: Database) -> None:
        with joining(lambda tx: note(tx, "joined")) as joined:
            await noted.read(lambda tx: tx.scalar(text("SELECT 1")))
            assert not joined.is_committed
            await noted.write(lambda tx: note(tx, "first"))
            assert joined.is_committed
            await noted.write(lambda tx: note(tx, "second"))
        assert await notes(noted) == {"joined", "first", "second"}

    async def test_a_write_that_fails_takes_it_back_and_the_next_one_carries_it(self, noted: Database) -> None:
        def fail(tx: Connection) -> None:
            note(tx, "failed")
            raise ValueError

        with joining(lambda tx: note(tx, "joined")) as joined:
            with pytest.raises(ValueError):  # noqa: PT011
                await noted.write(fail)
            assert await notes(noted) == set()
            assert not joined.is_committed
            await noted.write(lambda tx: note(tx, "first"))
        assert await notes(noted) == {"joined", "first"}

    async def test_what_was_never_written_is_forgotten_by_tasks_that_outlive_it_too(self, noted: Database) -> None:
        go_on = asyncio.Event()

        async def write_later() -> None:
            await go_on.wait()
            await noted.write(lambda tx: note(tx, "later"))

        with joining(lambda tx: note(tx, "joined")):
            task = asyncio.create_task(write_later())
            await asyncio.sleep(0)
        go_on.set()
        await task
        await noted.write(lambda tx: note(tx, "other"))
        assert await notes(noted) == {"later", "other"}
