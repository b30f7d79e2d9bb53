"""Copies every row of one database into another, in one transaction of each."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar

from sqlalchemy import Column, Integer, LargeBinary, MetaData, Table, bindparam, exists, func, insert, select, tuple_

from conversation_engine.infra.db.copies.handover import BrokenOffError, Handover
from conversation_engine.infra.db.copies.values import PARENTS_FIRST, RELEARNED, Digest, Tally, carried
from conversation_engine.infra.db.database import Database, Tx
from conversation_engine.infra.db.errors import CopyDiffersError, TargetNotEmptyError

T = TypeVar("T")

BATCH_ROWS: Final = 500
"""What is in memory at a time, a few times over."""
BATCH_FILES: Final = 5
"""The same of a table with files in it."""

Told = Callable[[str, int], None]
Row = Mapping[str, Any]


async def copy(source: Database, target: Database, tables: MetaData, *, told: Told) -> Mapping[str, Digest]:
    """Every row of `source` into `target`, which has the same schema and no row; what each table comes to.

    One snapshot is read while one transaction writes: `source` may be in use, and what breaks off leaves `target`
    empty. The copy is read again and compared before it is committed. Memory: O(`BATCH_ROWS`). `told` hears of which
    table how many rows have come. Raises TargetNotEmptyError, CopyDiffersError.
    """
    handover: Handover[tuple[Table, Sequence[Row]]] = Handover()

    def take(tx: Tx) -> None:
        for table in tables.sorted_tables:
            for rows in batches_of(tx, table):
                handover.put((table, rows))
        handover.complete()

    def bring(tx: Tx) -> Mapping[str, Digest]:
        check_empty(tx, tables)
        tallies = {table.name: Tally(table=table) for table in tables.sorted_tables}
        for table, rows in handover.all():
            _insert(tx, table, rows)
            tallies[table.name].add_all(rows)
            told(table.name, tallies[table.name].rows)
        _count_on(tx, tables)
        come = {name: tally.digest for name, tally in tallies.items()}
        if differing := [table.name for table in tables.sorted_tables if digest_of(tx, table) != come[table.name]]:
            raise CopyDiffersError(differing)
        return come

    taking = asyncio.create_task(_to_the_end(source.read(take), handover))
    bringing = asyncio.create_task(_to_the_end(target.write(bring), handover))
    try:
        await asyncio.wait({taking, bringing})
    finally:
        await handover.break_off()
    if not isinstance(taking.exception(), BrokenOffError | None):
        bringing.exception()  # BrokenOffError: seen
        await taking
    with suppress(BrokenOffError):
        return await bringing
    raise AssertionError("somebody has broken off without a reason")


def digest_of(tx: Tx, table: Table) -> Digest:
    """What a table comes to. O(its rows), in bounded memory."""
    tally = Tally(table=table)
    for rows in batches_of(tx, table):
        tally.add_all(rows)
    return tally.digest


def batches_of(tx: Tx, table: Table) -> Iterator[Sequence[Row]]:
    """All rows, `BATCH_ROWS` at a time, parents first. One statement each, along a unique index."""
    if RELEARNED in table.info:
        return
    keys = _order_of(table)
    count = BATCH_FILES if any(isinstance(column.type, LargeBinary) for column in table.c) else BATCH_ROWS
    page = select(*table.c).order_by(*keys).limit(count)
    rows = tx.execute(page).mappings().all()
    while rows:
        yield [dict(row) for row in rows]
        if len(rows) < count:
            return
        last = [bindparam(None, rows[-1][key.name], type_=key.type) for key in keys]
        rows = tx.execute(page.where(tuple_(*keys) > tuple_(*last))).mappings().all()


def check_empty(tx: Tx, tables: MetaData) -> None:
    """Raises TargetNotEmptyError."""
    for table in tables.sorted_tables:
        if tx.scalar(select(exists(select(*table.primary_key.columns).select_from(table)))):
            raise TargetNotEmptyError(table.name)


def _order_of(table: Table) -> Sequence[Column[Any]]:
    names: Sequence[str] | None = table.info.get(PARENTS_FIRST)
    return list(table.primary_key.columns) if names is None else [table.c[name] for name in names]


def _insert(tx: Tx, table: Table, rows: Sequence[Row]) -> None:
    tx.execute(insert(table), [carried(table, row, dialect=tx.dialect.name) for row in rows])


def _count_on(tx: Tx, tables: MetaData) -> None:
    """Numbers that PostgreSQL gives out go on behind those that came; SQLite sees to that itself."""
    if tx.dialect.name != "postgresql":
        return
    for table in tables.sorted_tables:
        number = table.autoincrement_column
        if number is not None and isinstance(number.type, Integer):
            sequence = func.pg_get_serial_sequence(table.name, number.name)
            highest = select(func.max(number)).scalar_subquery()
            tx.execute(select(func.setval(sequence, highest)).where(exists(select(number))))


async def _to_the_end(work: Awaitable[T], handover: Handover[Any]) -> T:
    try:
        return await work
    except BaseException:
        await handover.break_off()
        raise
