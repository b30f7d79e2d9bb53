"""A PostgreSQL that goes away, and comes back."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from conversation_engine.infra.db.errors import DatabaseUnavailableError
from conversation_engine.infra.db.postgres import PostgresDatabase

pytestmark = pytest.mark.postgres

CUT = "SELECT pg_terminate_backend(pg_backend_pid())"


@pytest.fixture
async def database(postgres: Any) -> AsyncIterator[PostgresDatabase]:
    database = PostgresDatabase(postgres.get_uri(), pool_size=1, max_overflow=0)
    yield database
    await database.aclose()


def say(statement: str) -> Any:
    return lambda tx: tx.execute(text(statement)).scalar()


def do(statement: str) -> Any:
    return lambda tx: tx.execute(text(statement)).rowcount


class TestUnavailable:
    @pytest.mark.parametrize("verb", ["read", "write", "migrate"])
    async def test_a_cut_connection_is_told_as_such_and_the_next_one_works(
        self, database: PostgresDatabase, verb: str
    ) -> None:
        transact = getattr(database, verb)
        with pytest.raises(DatabaseUnavailableError):
            await transact(say(CUT))
        assert await transact(say("SELECT 1")) == 1

    async def test_a_connection_that_was_cut_while_it_was_idle_too(
        self, database: PostgresDatabase, postgres: Any
    ) -> None:
        pid = await database.read(say("SELECT pg_backend_pid()"))
        postgres.psql(f"SELECT pg_terminate_backend({pid});")
        with pytest.raises(DatabaseUnavailableError):
            await database.read(say("SELECT 1"))
        assert await database.read(say("SELECT 1")) == 1

    @pytest.mark.parametrize("place", ["nowhere", "127.0.0.1:1"])
    async def test_a_server_that_does_not_listen(self, tmp_path: Path, place: str) -> None:
        url = f"postgresql://u@/d?host={tmp_path}" if place == "nowhere" else f"postgresql://u@{place}/d"
        database = PostgresDatabase(url, pool_size=1, max_overflow=0)
        with pytest.raises(DatabaseUnavailableError):
            await database.read(say("SELECT 1"))
        await database.aclose()

    async def test_what_is_wrong_with_the_statement_stays_what_it_is(self, database: PostgresDatabase) -> None:
        with pytest.raises(ProgrammingError):
            await database.read(say("SELECT nothing"))


class TestDeadlock:
    async def test_whoever_loses_is_done_again(self, postgres: Any) -> None:
        database = PostgresDatabase(postgres.get_uri(), pool_size=2, max_overflow=0)
        await database.write(do("CREATE TABLE pairs AS SELECT n, 0 AS count FROM generate_series(1, 2) n"))

        def count(*numbers: int) -> Any:
            def work(tx: Any) -> None:
                for number in numbers:
                    tx.execute(text("UPDATE pairs SET count = count + 1 WHERE n = :n"), {"n": number})
                    tx.execute(text("SELECT pg_sleep(0.2)"))

            return work

        await asyncio.gather(database.write(count(1, 2)), database.write(count(2, 1)))
        assert await database.read(say("SELECT array_agg(count) FROM pairs")) == [2, 2]
        await database.write(do("DROP TABLE pairs"))
        await database.aclose()
