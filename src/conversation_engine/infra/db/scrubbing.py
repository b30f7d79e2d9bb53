"""What deleted rows leave in SQLite's full-text indexes: found through the schema, wiped step by step.

FTS5 notes that a row is gone and drops its words when segments are merged. PostgreSQL's vacuum does the same by itself.
"""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import text

from conversation_engine.infra.db.database import Database, Tx

MERGE_PAGES: Final = 500
"""Of one step: a few milliseconds, so that turns are written in between."""
_TABLES: Final = text(
    "SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL TABLE%USING fts5(%' ORDER BY 1"
)
_CHANGES: Final = text("SELECT total_changes()")


async def scrub(database: Database, *, only: str | None = None) -> bool:
    """Leave nothing of what was deleted in indexes (in one of them) and the log; false while somebody reads from it.

    Merging rewrites an index of which something was deleted as a whole: 25 ms for each MB of it.
    """
    for table in await database.read(full_text_tables):
        if only not in (None, table):
            continue
        while await database.write(lambda tx, table=table: _step(tx, table)):  # type: ignore[misc]
            pass
    return await database.wipe_log()


def full_text_tables(tx: Tx) -> Sequence[str]:
    """Names of FTS5 tables; none on PostgreSQL."""
    return [] if tx.dialect.name != "sqlite" else list(tx.scalars(_TABLES))


def _step(tx: Tx, table: str) -> bool:
    before = tx.scalar(_CHANGES) or 0
    tx.exec_driver_sql(f"INSERT INTO {table}({table}, rank) VALUES ('merge', ?)", (-MERGE_PAGES,))  # noqa: S608
    return (tx.scalar(_CHANGES) or 0) - before >= 2  # as FTS5's page says: with fewer there is no work left
