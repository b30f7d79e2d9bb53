"""All we know about SQLite.

One file in WAL mode: one writer thread, several readers that never wait for it. A second writer would not add
throughput, only lock waits (p99 30 ms → 430 ms and more, measured), so writes queue in Python, in order.
"""

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.pool import NullPool

from conversation_engine.infra.db.compiled import share_compiled
from conversation_engine.infra.db.database import PoolStanding, Tx
from conversation_engine.infra.db.errors import DatabaseUnavailableError
from conversation_engine.infra.db.finding import MESSAGE_TERMS, message_terms_of
from conversation_engine.infra.db.joined import carried, waiting
from conversation_engine.infra.db.threads import WorkerThreads

T = TypeVar("T")

READER_THREADS = 4
BUSY_TIMEOUT_SECONDS = 15
"""How long a statement waits for another *process* that writes the same file (a CLI beside the server)."""

LOG_WAIT_MS = 50
"""How long wiping the log waits for a reader: writers stand behind it."""


def make_engine(url: str) -> Engine:
    """A synchronous engine whose every connection is set up the way this product needs it."""
    engine = create_engine(
        url,
        poolclass=NullPool,
        connect_args={"check_same_thread": False},
        hide_parameters=True,  # they hold what people said, and a failing statement is logged
    )
    event.listen(engine, "connect", _set_up_connection)
    share_compiled(engine)
    return engine


def _set_up_connection(connection: sqlite3.Connection, _record: object) -> None:
    connection.create_function(MESSAGE_TERMS, 3, message_terms_of, deterministic=True)
    connection.isolation_level = None  # BEGIN is ours to say: the driver's own opens transactions too late
    for pragma in (
        f"busy_timeout={BUSY_TIMEOUT_SECONDS * 1000}",
        "journal_mode=WAL",
        "synchronous=NORMAL",  # a commit survives the death of the process; the last ones may not survive power loss
        "foreign_keys=ON",
        "secure_delete=ON",  # FAST leaves the text of long messages on pages that were freed
        "cache_size=-16000",
        "temp_store=MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}")


class SqliteDatabase:
    """One SQLite file behind the unit-of-work seam."""

    def __init__(self, url: str) -> None:
        path = make_url(url).database
        if path in (None, "", ":memory:"):
            raise ValueError("SQLite needs a file: in memory, readers and the writer would not see the same data")
        Path(str(path)).parent.mkdir(parents=True, exist_ok=True)
        self._engine = make_engine(url)
        self._url = url
        self._writer = WorkerThreads(1, name="sqlite-writer")
        self._readers = WorkerThreads(READER_THREADS, name="sqlite-reader")
        self._thread = threading.local()
        self._connections: list[Connection] = []
        self._is_closed = False

    @property
    def url(self) -> str:
        return self._url

    @property
    def pool(self) -> PoolStanding:
        threads = (self._writer, self._readers)
        busy, limit = sum(one.busy for one in threads), 1 + READER_THREADS
        return PoolStanding(busy=busy, idle=limit - busy, limit=limit, waiting=sum(one.waiting for one in threads))

    async def read(self, work: Callable[[Tx], T]) -> T:
        return await self._run(self._readers, "BEGIN", work)

    async def write(self, work: Callable[[Tx], T]) -> T:
        if (joined := waiting()) is None:
            return await self._run(self._writer, "BEGIN IMMEDIATE", work)
        with carried(joined):
            return await self._run(self._writer, "BEGIN IMMEDIATE", joined.before(work))

    async def migrate(self, work: Callable[[Tx], T]) -> T:
        return await self.write(work)  # BEGIN IMMEDIATE is the lock, and SQLite's DDL is transactional

    async def wipe_log(self) -> bool:
        return await self._writer.run(self._checkpoint)

    async def aclose(self) -> None:
        self._is_closed = True
        for threads in (self._writer, self._readers):
            await threads.aclose()
        for connection in self._connections:
            connection.detach()
            connection.close()
        self._connections.clear()
        self._engine.dispose()

    async def _run(self, threads: WorkerThreads, begin: str, work: Callable[[Tx], T]) -> T:
        if self._is_closed:
            raise DatabaseUnavailableError
        return await threads.run(lambda: self._transact(begin, work))

    def _transact(self, begin: str, work: Callable[[Tx], T]) -> T:
        connection = self._connection()
        with connection.begin():
            # Straight to the driver: through SQLAlchemy these two words cost 50 µs a transaction.
            connection.connection.driver_connection.execute(begin)  # type: ignore[union-attr]
            return work(connection)

    def _checkpoint(self) -> bool:
        raw = self._connection().connection.driver_connection
        raw.execute(f"PRAGMA busy_timeout={LOG_WAIT_MS}")  # type: ignore[union-attr]
        try:
            [[is_busy, _, _]] = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # type: ignore[union-attr]
        finally:
            raw.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_SECONDS * 1000}")  # type: ignore[union-attr]
        return not is_busy

    def _connection(self) -> Connection:
        connection: Connection | None = getattr(self._thread, "connection", None)
        if connection is None:
            connection = self._thread.connection = self._engine.connect()
            self._connections.append(connection)
        return connection
