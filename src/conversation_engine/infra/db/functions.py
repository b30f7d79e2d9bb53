"""SQL that each database says in its own way."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    Dialect,
    Integer,
    Numeric,
    String,
    Table,
    TypeDecorator,
    bindparam,
    literal_column,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NullType

from conversation_engine.infra.db.base import IdType
from conversation_engine.infra.db.database import Tx


def upsert_into(tx: Tx, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that may say what becomes of a row that is there already: `on_conflict_do_update`, `…_do_nothing`."""
    return postgresql.insert(table) if tx.dialect.name == "postgresql" else sqlite.insert(table)


class Numbers(TypeDecorator[Sequence[int]]):
    """Whole numbers, any count of them, as one value of a statement."""

    impl = String
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        """An array where there are arrays, else JSON."""
        return dialect.type_descriptor(ARRAY(Integer()) if dialect.name == "postgresql" else String())

    def process_bind_param(self, value: Sequence[int] | None, dialect: Dialect) -> Any:
        """As the driver takes them."""
        return value if dialect.name == "postgresql" else json.dumps(value)


class is_among(FunctionElement[Any]):  # noqa: N801
    """Whether a column is one of the numbers that are bound to `name`: one text of SQL, however many there are."""

    type = NullType()  # a Boolean would be compared with 1 on SQLite, which then does not use an index
    inherit_cache = True

    def __init__(self, column: Column[int], name: str) -> None:
        super().__init__(column, bindparam(name, type_=Numbers()))


@compiles(is_among, "sqlite")
def _among_sqlite(element: is_among, compiler: Any, **options: Any) -> str:
    column, numbers = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({numbers}))"  # noqa: S608 - a column and a bound value


@compiles(is_among, "postgresql")
def _among_postgresql(element: is_among, compiler: Any, **options: Any) -> str:
    column, numbers = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{column} = ANY ({numbers})"


class utc_day(FunctionElement[str]):  # noqa: N801 - reads like the functions of `sqlalchemy.func`
    """The UTC day of a `UtcDateTime` column, as `2026-01-31`, whatever time zone the session is set to."""

    type = String()
    inherit_cache = True


@compiles(utc_day, "sqlite")
def _sqlite(element: utc_day, compiler: Any, **options: Any) -> str:
    return f"substr({compiler.process(element.clauses, **options)}, 1, 10)"  # it is kept as text, in UTC


@compiles(utc_day, "postgresql")
def _postgresql(element: utc_day, compiler: Any, **options: Any) -> str:
    column = compiler.process(element.clauses, **options)
    return f"to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD')"


class Ids(TypeDecorator[Sequence[str]]):
    """Ids of rows, any count of them, as one value of a statement."""

    impl = String
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        """An array where there are arrays, else JSON."""
        return dialect.type_descriptor(ARRAY(IdType) if dialect.name == "postgresql" else String())

    def process_bind_param(self, value: Sequence[str] | None, dialect: Dialect) -> Any:
        """As rows have them."""
        if value is None or dialect.name == "postgresql":
            return value
        return json.dumps([one.replace("-", "") for one in value])


class is_one_of(is_among):  # noqa: N801
    """Whether a column is one of the ids that are bound to `name`."""

    inherit_cache = True

    def __init__(self, column: ColumnElement[str], name: str) -> None:
        FunctionElement.__init__(self, column, bindparam(name, type_=Ids()))


class json_number(FunctionElement[Any]):  # noqa: N801
    """The number at a place in a JSON column, NULL for anything else; any size: what people wrote may be there."""

    type = Numeric()
    inherit_cache = True

    def __init__(self, column: ColumnElement[Any], *path: str) -> None:
        super().__init__(column, *(literal_column(f"'{step}'") for step in path))


class json_word(FunctionElement[Any]):  # noqa: N801
    """The text at a place in a JSON column, `true` and `false` for these; NULL for anything else."""

    type = String()
    inherit_cache = True

    def __init__(self, column: ColumnElement[Any], *path: str) -> None:
        super().__init__(column, *(literal_column(f"'{step}'") for step in path))


def _sqlite_place(element: FunctionElement[Any], compiler: Any, **options: Any) -> str:
    column, *steps = (compiler.process(clause, **options) for clause in element.clauses)
    path = "".join(f"[{step[1:-1]}]" if step[1:-1].isdigit() else f".{step[1:-1]}" for step in steps)
    return f"{column}, '${path}'"


def _postgresql_place(element: FunctionElement[Any], compiler: Any, **options: Any) -> tuple[str, str]:
    column, *steps = (compiler.process(clause, **options) for clause in element.clauses)
    path = "'{" + ",".join(step[1:-1] for step in steps) + "}'"
    return f"{column} #> {path}", f"{column} #>> {path}"


@compiles(json_number, "sqlite")
def _number_sqlite(element: json_number, compiler: Any, **options: Any) -> str:
    place = _sqlite_place(element, compiler, **options)
    return f"CASE WHEN json_type({place}) IN ('integer', 'real') THEN json_extract({place}) END"


@compiles(json_number, "postgresql")
def _number_postgresql(element: json_number, compiler: Any, **options: Any) -> str:
    value, word = _postgresql_place(element, compiler, **options)
    return f"CASE WHEN jsonb_typeof({value}) = 'number' THEN ({word})::numeric END"


@compiles(json_word, "sqlite")
def _word_sqlite(element: json_word, compiler: Any, **options: Any) -> str:
    place = _sqlite_place(element, compiler, **options)
    return (
        f"CASE json_type({place}) WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' "
        f"WHEN 'text' THEN json_extract({place}) END"
    )


@compiles(json_word, "postgresql")
def _word_postgresql(element: json_word, compiler: Any, **options: Any) -> str:
    value, word = _postgresql_place(element, compiler, **options)
    return f"CASE WHEN jsonb_typeof({value}) IN ('string', 'boolean') THEN {word} END"
