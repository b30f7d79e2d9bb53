"""SQL that each database says in its own way."""

from typing import Any

from sqlalchemy import String, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from conversation_engine.infra.db.database import Tx


def upsert_into(tx: Tx, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that may say what becomes of a row that is there already: `on_conflict_do_update`, `…_do_nothing`."""
    return postgresql.insert(table) if tx.dialect.name == "postgresql" else sqlite.insert(table)


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
