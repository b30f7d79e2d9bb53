"""Statements that go past SQLAlchemy to the driver do what they would do through it, on both databases."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import (
    Boolean,
    Column,
    Integer,
    MetaData,
    Table,
    Text,
    bindparam,
    event,
    func,
    insert,
    literal,
    select,
    text,
)
from sqlalchemy.exc import IntegrityError, ProgrammingError

import conversation_engine.domains.conversations.repo as conversations
import conversation_engine.domains.llm.repo as llm
import conversation_engine.turns.repo as turns
from conversation_engine.engine.settings import Settings
from conversation_engine.infra.db.base import IdType, JsonType, MoneyType, UtcDateTime
from conversation_engine.infra.db.database import Database, Tx
from conversation_engine.infra.db.errors import DatabaseUnavailableError
from conversation_engine.infra.db.opening import open_database
from conversation_engine.infra.db.postgres import PostgresDatabase
from conversation_engine.infra.db.prepared import ChangeAndInsert, Prepared
from conversation_engine.infra.ids import new_id

AT = datetime(2026, 11, 21, 9, 30, 0, 123456, tzinfo=timezone(timedelta(hours=2)))

things = Table(
    "things",
    MetaData(),
    Column("id", IdType, primary_key=True),
    Column("n", Integer, unique=True),
    Column("is_good", Boolean),
    Column("at", UtcDateTime),
    Column("paid", MoneyType),
    Column("facts", JsonType),
    Column("text", Text),
)
FULL: dict[str, Any] = {
    "id": new_id(),
    "n": 1,
    "is_good": True,
    "at": AT,
    "paid": Decimal("0.000000000123"),
    "facts": {"é": [1, None, "☃"], "deep": {"x": 0.5}},
    "text": "it's ☃ :x $1 %s ?",
}
EMPTY = {"id": new_id(), "n": 2, "is_good": None, "at": None, "paid": None, "facts": None, "text": None}

INSERT = Prepared(insert(things))
SELECT = Prepared(select(*things.c).where(things.c.n >= bindparam("least")).order_by(things.c.n))


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    """The schema, and a table of things beside it."""
    database = open_database(settings.resolved_database_url, settings)
    await database.write(lambda tx: things.create(tx))
    yield database
    await database.aclose()


@contextlib.contextmanager
def undone(tx: Tx) -> Iterator[None]:
    """What is written meanwhile is rolled back."""
    with tx.begin_nested() as savepoint:
        yield
        savepoint.rollback()


class TestValues:
    async def test_arrive_as_sqlalchemy_would_have_written_them(self, database: Database) -> None:
        def work(tx: Tx) -> list[Any]:
            INSERT.run(tx, FULL)
            INSERT.run(tx, EMPTY)
            return list(tx.execute(select(*things.c).order_by(things.c.n)).mappings())

        assert await database.write(work) == [FULL | {"at": AT.astimezone(UTC)}, EMPTY]

    async def test_are_stored_in_the_same_form(self, database: Database) -> None:
        raw = text("SELECT " + ", ".join(f"CAST({column.name} AS TEXT)" for column in things.c) + " FROM things")

        def work(tx: Tx) -> tuple[Any, Any]:
            with undone(tx):
                INSERT.run_each(tx, [FULL, EMPTY])
                ours = tx.execute(raw).all()
            tx.execute(insert(things), [FULL, EMPTY])
            return ours, tx.execute(raw).all()

        ours, theirs = await database.write(work)
        assert ours == theirs

    async def test_come_back_as_they_would_through_sqlalchemy(self, database: Database) -> None:
        def work(tx: Tx) -> tuple[Any, Any, Any]:
            tx.execute(insert(things), [FULL, EMPTY])
            return SELECT.all(tx, {"least": 1}), SELECT.first(tx, {"least": 2}), SELECT.first(tx, {"least": 3})

        rows, second, none = await database.write(work)
        assert [tuple(row) for row in rows] == [tuple((FULL | {"at": AT.astimezone(UTC)}).values()), (*EMPTY.values(),)]
        assert (second.id, second.n, second[6]) == (EMPTY["id"], 2, None)
        assert none is None

    async def test_that_the_statement_itself_holds_are_converted_too(self, database: Database) -> None:
        since = Prepared(select(things.c.n).where(things.c.at == literal(AT, UtcDateTime), things.c.id == FULL["id"]))

        def work(tx: Tx) -> Any:
            INSERT.run(tx, FULL)
            return since.all(tx, {})

        assert [tuple(row) for row in await database.write(work)] == [(1,)]

    @pytest.mark.parametrize("wrong", [{}, {"last": 1}, {"least": 1, "more": 2}])
    async def test_that_are_others_than_at_first_are_refused(self, database: Database, wrong: dict[str, int]) -> None:
        await database.read(lambda tx: SELECT.all(tx, {"least": 1}))
        with pytest.raises(ValueError, match="takes"):
            await database.read(lambda tx: SELECT.all(tx, wrong))

    async def test_that_are_wrong_from_the_first_are_refused(self, database: Database) -> None:
        fresh = Prepared(select(things.c.n).where(things.c.n == bindparam("which")))
        with pytest.raises(ValueError, match="takes"):
            await database.read(lambda tx: fresh.all(tx, {"witch": 1}))

    async def test_that_python_would_fill_in_are_refused(self, database: Database) -> None:
        table = Table("filled", MetaData(), Column("id", Integer, primary_key=True), Column("n", Integer, default=7))
        with pytest.raises(ValueError, match="default"):
            await database.write(lambda tx: Prepared(insert(table)).run(tx, {"id": 1}))

    async def test_of_a_list_that_expands_are_refused(self, database: Database) -> None:
        listed = Prepared(select(things.c.n).where(things.c.n.in_(bindparam("these", expanding=True))))
        with pytest.raises(ValueError, match="depends"):
            await database.read(lambda tx: listed.all(tx, {"these": [1]}))


class TestErrors:
    async def test_a_broken_constraint_is_the_one_that_sqlalchemy_raises(self, database: Database) -> None:
        await database.write(lambda tx: INSERT.run(tx, FULL))
        again = FULL | {"id": new_id()}
        with pytest.raises(IntegrityError) as ours:
            await database.write(lambda tx: INSERT.run(tx, again))
        with pytest.raises(IntegrityError) as theirs:
            await database.write(lambda tx: tx.execute(insert(things), again))
        assert type(ours.value.orig) is type(theirs.value.orig)
        assert ours.value.statement == theirs.value.statement
        assert FULL["text"] not in str(ours.value)
        assert await database.read(lambda tx: len(SELECT.all(tx, {"least": 0}))) == 1

    async def test_of_many_at_once_all_or_none_is_written(self, database: Database) -> None:
        with pytest.raises(IntegrityError):
            await database.write(lambda tx: INSERT.run_each(tx, [FULL, EMPTY, FULL]))
        assert await database.read(lambda tx: SELECT.all(tx, {"least": 0})) == []

    async def test_who_listens_to_sqlalchemy_hears_of_it(self, database: Database) -> None:
        heard: list[tuple[str, bool]] = []

        def listen(*told: Any) -> None:
            heard.append((told[2].split()[0], told[5]))

        def work(tx: Tx) -> Any:
            event.listen(tx, "before_cursor_execute", listen)
            INSERT.run_each(tx, [FULL, EMPTY])
            return SELECT.all(tx, {"least": 1}), SELECT.first(tx, {"least": 2})

        rows, second = await database.write(work)
        assert [said for said in heard if said[0] != "BEGIN"] == [
            ("INSERT", True),
            ("SELECT", False),
            ("SELECT", False),
        ]
        assert [tuple(row) for row in rows] == [tuple((FULL | {"at": AT.astimezone(UTC)}).values()), (*EMPTY.values(),)]
        assert second.id == EMPTY["id"]


BACKEND = Prepared(select(func.pg_backend_pid(), func.pg_sleep(0.1)))


async def backends(pool: PostgresDatabase) -> set[int]:
    """The server's processes behind two units of work at once."""
    return set(await asyncio.gather(*(pool.write(lambda tx: BACKEND.first(tx, {})[0]) for _ in range(2))))


@pytest.mark.postgres
class TestPostgresGoesAway:
    @pytest.fixture
    async def pool(self, postgres: Any) -> AsyncIterator[PostgresDatabase]:
        """Two connections, both open and idle."""
        database = PostgresDatabase(postgres.get_uri(), pool_size=2, max_overflow=0)
        await backends(database)
        yield database
        await database.aclose()

    async def test_a_cut_connection_is_told_as_such_and_the_next_one_works(self, pool: PostgresDatabase) -> None:
        cut = Prepared(select(func.pg_terminate_backend(func.pg_backend_pid())))
        with pytest.raises(DatabaseUnavailableError):
            await pool.write(lambda tx: cut.all(tx, {}))
        assert len(await backends(pool)) == 2

    async def test_a_server_that_came_back_fails_one_unit_of_work_not_one_for_each_connection(
        self, pool: PostgresDatabase, postgres: Any
    ) -> None:
        for pid in await backends(pool):
            postgres.psql(f"SELECT pg_terminate_backend({pid});")
        with pytest.raises(DatabaseUnavailableError):
            await pool.write(lambda tx: BACKEND.first(tx, {}))
        assert len(await backends(pool)) == 2

    async def test_a_transaction_that_is_cancelled_costs_its_connection_only(self, pool: PostgresDatabase) -> None:
        before = await backends(pool)
        sleep = Prepared(select(func.pg_sleep(60)))
        waiting = asyncio.create_task(pool.write(lambda tx: sleep.run(tx, {})))
        await asyncio.sleep(0.1)
        [transaction] = pool._transactions
        transaction.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        async with asyncio.timeout(5):
            assert len(before & await backends(pool)) == 1

    async def test_what_is_wrong_with_the_statement_stays_what_it_is(self, pool: PostgresDatabase) -> None:
        with pytest.raises(ProgrammingError):
            await pool.read(lambda tx: Prepared(select(func.no_such_function())).all(tx, {}))


OWNER, CONVERSATION, TURN, REQUEST, HOLDER = "ada", new_id(), new_id(), new_id(), new_id()
QUESTION, REPLY, EDITED = new_id(), new_id(), new_id()
TOTALS = {"input": 7, "output": 3, "spent": Decimal("0.0000012")}
COUNTED = {"conversation_id": CONVERSATION, "owner": OWNER, "at": AT, **TOTALS}
MESSAGE = {
    "conversation_id": CONVERSATION,
    "owner_id": OWNER,
    "turn_id": TURN,
    "content_format": "text",
    "status": "complete",
    "is_fallback": False,
    "is_pinned": False,
    "counted_tokens": None,
    "created_at": AT,
}
SAID = {"role": "user", "token_count": 4, "cost": None, "metadata": {"é": 1}, "llm_request_id": None}
ANSWERED: dict[str, Any] = {"role": "assistant", "token_count": None, "cost": Decimal("0.01"), "metadata": {}}
STATEMENTS_OF_A_TURN: Sequence[tuple[Prepared, dict[str, Any]]] = [
    (conversations._APPEND_NEXT.change, COUNTED | {"leaf": QUESTION}),
    (
        conversations._APPEND_NEXT.insertion,
        MESSAGE | SAID | {"id": QUESTION, "sequence_number": 1, "content": "it's ☃", "parent_id": None},
    ),
    (
        turns._INSERT_AND_LOOK,
        {
            "id": TURN,
            "conversation_id": CONVERSATION,
            "owner_id": OWNER,
            "role": "student",
            "state": "running",
            "attempt": 1,
            "model": "scripted/model",
            "system_prompt": None,
            "parameters": {"temperature": 0.5},
            "reply_metadata": {},
            "retrieval": None,
            "window": None,
            "user_message_id": QUESTION,
            "reply_message_id": REPLY,
            "created_at": AT,
            "lease_owner": HOLDER,
            "lease_expires_at": AT,
            "of": CONVERSATION,
        },
    ),
    (conversations._NEWEST, {"conversation_id": CONVERSATION, "before": 2, "count": 64}),
    (conversations._AT, {"conversation_id": CONVERSATION, "numbers": [1, 2, 7]}),
    (turns._hold(2), {"turn_0": TURN, "turn_1": TURN, "holder": HOLDER}),
    (turns._INSERT_CHECKPOINT, {"turn_id": TURN, "attempt": 1, "start_offset": 0, "text": "a reply ☃"}),
    (
        llm._INSERT,
        {
            "id": REQUEST,
            "conversation_id": CONVERSATION,
            "owner_id": OWNER,
            "turn_id": TURN,
            "attempt": 1,
            "provider": "scripted",
            "model": "model",
            "parameters": {"temperature": 0.5},
            "status": "completed",
            "latency_ms": 12,
            "first_token_ms": None,
            "input_tokens": 7,
            "output_tokens": 3,
            "cached_tokens": 0,
            "cache_write_tokens": 0,
            "reasoning_tokens": None,
            "counted": 7,
            "usage_source": "provider",
            "cost": Decimal("0.0000012"),
            "finish_reason": "stop",
            "error_code": None,
            "error_cause": None,
            "created_at": AT,
        },
    ),
    (
        conversations._APPEND_REPLY.change,
        COUNTED | {"leaf": REPLY, "parent": QUESTION, "start": None, "named": "A title"},
    ),
    (
        conversations._APPEND_NEXT.insertion,
        MESSAGE
        | ANSWERED
        | {"id": REPLY, "sequence_number": 2, "content": "a reply ☃", "parent_id": QUESTION, "llm_request_id": REQUEST},
    ),
    (
        turns._FINISH,
        {
            "turn_id": TURN,
            "of": CONVERSATION,
            "of_attempt": 1,
            "holder": HOLDER,
            "then": "failed",
            "shown": {"messages": [1, 2]},
            "code": "model_unreachable",
            "detail": "it's away",
            "at": AT,
        },
    ),
    (turns._DELETE_CHECKPOINTS, {"turn": TURN}),
    (conversations._APPEND_UNDER.change, COUNTED | {"leaf": EDITED, "parent": None}),
]
"""With values such as a turn and an edit of its question give them, in their order."""


class TestStatementsOfATurn:
    async def test_give_the_rows_that_sqlalchemy_gives_and_leave_the_same_behind(self, database: Database) -> None:
        def work(tx: Tx) -> None:
            tx.execute(insert(conversations._conversations), conversation_row())
            for prepared, values in STATEMENTS_OF_A_TURN:
                with undone(tx):
                    theirs = tx.execute(prepared.statement, values)
                    rows = [tuple(row) for row in theirs] if theirs.returns_rows else []
                    left = stored(tx)
                with undone(tx):
                    assert named(prepared.first(tx, values)) == rows[:1]
                    assert stored(tx) == left
                assert [tuple(row) for row in prepared.all(tx, values)] == rows
                assert stored(tx) == left

        await database.write(work)

    def test_are_all_of_them(self) -> None:
        kept: set[Prepared] = {turns._hold(2), conversations._APPEND_NEXT.insertion}
        for value in (value for room in (conversations, llm, turns) for value in vars(room).values()):
            if isinstance(value, Prepared):
                kept.add(value)
            elif isinstance(value, ChangeAndInsert):
                kept.add(value.change)
        assert kept == {prepared for prepared, _ in STATEMENTS_OF_A_TURN}


def named(row: Any) -> list[tuple[Any, ...]]:
    return [] if row is None else [tuple(row)]


def stored(tx: Tx) -> list[list[Any]]:
    """Every row of every table that a turn touches."""
    tables = (
        conversations._conversations,
        conversations._messages,
        turns._turns,
        turns._checkpoints,
        llm._requests,
    )
    return [
        [tuple(row) for row in tx.execute(select(*table.c).order_by(table.c[table.primary_key.columns.keys()[0]]))]
        for table in tables
    ]


def conversation_row() -> dict[str, Any]:
    return {
        "id": CONVERSATION,
        "owner_id": OWNER,
        "type": "chat",
        "status": "active",
        "metadata": {"a": ["b"]},
        "created_at": AT,
        "updated_at": AT,
    }


NEW_MESSAGE: dict[str, Any] = {
    "id": QUESTION,
    "turn_id": TURN,
    "llm_request_id": None,
    "role": "user",
    "content": "it's ☃ :x $1",
    "content_format": "text",
    "status": "complete",
    "is_fallback": False,
    "is_pinned": False,
    "token_count": 4,
    "counted_tokens": 5,
    "cost": Decimal("0.01"),
    "metadata": {"é": [1, None]},
    "created_at": AT,
}


class TestChangeAndInsert:
    async def test_does_in_one_statement_or_two_what_its_parts_do(self, database: Database) -> None:
        append, values = conversations._APPEND_NEXT, COUNTED | {"leaf": QUESTION}

        def work(tx: Tx) -> None:
            tx.execute(insert(conversations._conversations), conversation_row())
            with undone(tx):
                changed = tx.execute(append.change.statement, values).one()
                place = {
                    "conversation_id": changed.id,
                    "owner_id": changed.owner_id,
                    "sequence_number": changed.last_sequence,
                    "parent_id": changed.last_parent_id,
                }
                tx.execute(insert(conversations._messages), NEW_MESSAGE | place)
                left = stored(tx)
            with undone(tx):
                row = append.first(tx, values, NEW_MESSAGE)
                assert tuple(row) == tuple(changed)
                assert row.last_sequence == 1
                assert stored(tx) == left

        await database.write(work)

    async def test_writes_nothing_where_there_is_nothing_to_change(self, database: Database) -> None:
        def work(tx: Tx) -> None:
            tx.execute(insert(conversations._conversations), conversation_row())
            with undone(tx):
                before = stored(tx)
                values = COUNTED | {"leaf": QUESTION, "owner": "somebody else"}
                assert conversations._APPEND_NEXT.first(tx, values, NEW_MESSAGE) is None
                assert stored(tx) == before

        await database.write(work)

    async def test_a_broken_constraint_undoes_both(self, database: Database) -> None:
        def work(tx: Tx) -> None:
            tx.execute(insert(conversations._conversations), conversation_row())
            for _ in range(2):
                conversations._APPEND_NEXT.first(tx, COUNTED | {"leaf": QUESTION}, NEW_MESSAGE)

        with pytest.raises(IntegrityError):
            await database.write(work)
        assert await database.read(lambda tx: tx.execute(select(conversations._conversations)).all()) == []
