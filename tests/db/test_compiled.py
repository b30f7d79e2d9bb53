"""Statements are compiled once a process, not once an engine."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import Dialect, Select, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from conversation_engine.engine.settings import Settings
from conversation_engine.infra.db.database import Database, Tx
from conversation_engine.infra.db.opening import open_database
from conversation_engine.infra.db.prepared import Prepared
from conversation_engine.infra.db.sqlite import make_engine

_compiled: list[str] = []


class one(FunctionElement[int]):  # noqa: N801 - reads like the functions of `sqlalchemy.func`
    """1, and a note each time that its SQL is written."""

    inherit_cache = True


@compiles(one)
def _one(element: one, compiler: SQLCompiler, **options: object) -> str:
    _compiled.append(compiler.dialect.name)
    return "1"


@pytest.fixture
async def databases(settings: Settings) -> AsyncIterator[list[Database]]:
    """As three engines of one process would open them, one after the other."""
    _compiled.clear()
    opened = []
    for _ in range(3):
        opened.append(open_database(settings.resolved_database_url, settings))
        await opened[-1].read(lambda tx: tx.exec_driver_sql("SELECT 1"))
    yield opened
    for database in opened:
        await database.aclose()


class TestStatements:
    @pytest.mark.parametrize("is_prepared", [False, True])
    async def test_of_one_engine_serve_the_next(self, databases: list[Database], is_prepared: bool) -> None:
        statement: Select[tuple[int]] = select(one().label("one"))
        prepared = Prepared(statement)

        def work(tx: Tx) -> int | None:
            return prepared.first(tx, {}).one if is_prepared else tx.scalar(select(one().label("one")))

        await databases[-2].read(work)
        before = len(_compiled)
        assert [await databases[-1].read(work), await databases[-1].write(work)] == [1, 1]
        assert len(_compiled) == before


class TestDialects:
    async def test_are_one_for_one_server(self, databases: list[Database]) -> None:
        def dialect_of(tx: Tx) -> Dialect:
            return tx.dialect

        _, second, third = [await database.read(dialect_of) for database in databases]
        assert second is third

    def test_of_another_kind_of_database_are_others(self, tmp_path: Path, settings: Settings) -> None:
        plain = make_engine(f"sqlite:///{tmp_path / 'a.db'}")
        with plain.connect():
            pass
        again = make_engine(f"sqlite:///{tmp_path / 'b.db'}")
        other = open_database("postgresql://ada@nowhere/x", settings)
        assert again.dialect is make_engine(f"sqlite:///{tmp_path / 'c.db'}").dialect
        assert other._engine.dialect is not again.dialect
