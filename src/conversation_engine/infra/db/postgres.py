"""All we know about PostgreSQL."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import func, make_url, select
from sqlalchemy.exc import DBAPIError, InternalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.util import greenlet_spawn

from conversation_engine.infra.db.compiled import share_compiled
from conversation_engine.infra.db.database import PoolStanding, Tx
from conversation_engine.infra.db.errors import DatabaseUnavailableError
from conversation_engine.infra.db.joined import carried, waiting

T = TypeVar("T")

MIGRATION_LOCK = 0x636F6E766F  # "convo": any number that nobody else in this database uses
AWAY_STATES = ("08", "53300", "57P")
"""SQLSTATEs: connection exceptions; too many connections; the server stops, starts or crashed."""
DEADLOCK_STATES = ("40001", "40P01")
"""Nothing was done, and the same may work the next time: a unit of work is a plain function, so it is run again."""
DEADLOCK_TRIES = 3


class PostgresDatabase:
    """A PostgreSQL database behind the unit-of-work seam, through a pool of asyncpg connections."""

    def __init__(self, url: str, *, pool_size: int, max_overflow: int) -> None:
        self._engine = create_async_engine(
            make_url(url).set(drivername="postgresql+asyncpg"),
            hide_parameters=True,  # they hold what people said, and a failing statement is logged
            pool_size=pool_size,
            max_overflow=max_overflow,
            pool_use_lifo=True,
        )
        share_compiled(self._engine.sync_engine)
        self._snapshots = self._engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self._is_closed = False
        self._limit = pool_size + max_overflow
        self._transactions: set[asyncio.Task[Any]] = set()

    @property
    def url(self) -> str:
        return self._engine.url.render_as_string(hide_password=True)

    @property
    def pool(self) -> PoolStanding:
        pool = self._engine.sync_engine.pool
        busy, limit = pool.checkedout(), self._limit  # type: ignore[attr-defined]
        # Each transaction takes one, and none is held without: who is beyond the limit waits.
        waiting = max(0, len(self._transactions) - limit)
        return PoolStanding(busy=busy, idle=pool.checkedin(), limit=limit, waiting=waiting)  # type: ignore[attr-defined]

    async def read(self, work: Callable[[Tx], T]) -> T:
        return await self._transact(self._snapshots, work)

    async def write(self, work: Callable[[Tx], T]) -> T:
        if (joined := waiting()) is None:
            return await self._transact(self._engine, work)
        with carried(joined):
            return await self._transact(self._engine, joined.before(work))

    async def migrate(self, work: Callable[[Tx], T]) -> T:
        def locked(tx: Tx) -> T:
            tx.execute(select(func.pg_advisory_xact_lock(MIGRATION_LOCK)))
            return work(tx)

        return await self.write(locked)

    async def wipe_log(self) -> bool:
        return True

    async def aclose(self) -> None:
        self._is_closed = True  # somebody who still watches must not open a connection that nobody closes
        if self._transactions:
            await asyncio.wait(self._transactions)
        await self._engine.dispose()

    async def _transact(self, engine: AsyncEngine, work: Callable[[Tx], T]) -> T:
        if self._is_closed:
            raise DatabaseUnavailableError
        # Shielded, as on SQLite: a caller that is cancelled neither tears a transaction nor costs a connection.
        transaction = asyncio.create_task(_run(engine, work))
        self._transactions.add(transaction)
        transaction.add_done_callback(self._transactions.discard)
        return await asyncio.shield(transaction)


async def _run(engine: AsyncEngine, work: Callable[[Tx], T]) -> T:
    def transact() -> T:
        with engine.sync_engine.begin() as connection:
            return work(connection)

    for tries_left in reversed(range(DEADLOCK_TRIES)):
        try:
            # One greenlet for all of it: AsyncEngine.begin and run_sync start five and two tasks, 0.4 ms a transaction.
            return await greenlet_spawn(transact)
        except (DBAPIError, PoolTimeoutError, OSError) as error:
            if _is_away(error):
                raise DatabaseUnavailableError from error
            if not (tries_left and _sqlstate(error) in DEADLOCK_STATES):
                raise
    raise AssertionError("the last try returns or raises")


def _sqlstate(error: Exception) -> str | None:
    return getattr(error.orig, "sqlstate", None) if isinstance(error, DBAPIError) else None


def _is_away(error: Exception) -> bool:
    """Whether there is no server to talk to, rather than something wrong with what it was told."""
    if not isinstance(error, DBAPIError):
        return True  # no connection could be made, or none was free in time
    state = _sqlstate(error)
    if state is None:  # the driver's own words; it is an InternalError where the connection broke in a reply
        return error.connection_invalidated or isinstance(error, InternalError)
    return error.connection_invalidated or state.startswith(AWAY_STATES)
