"""What `convo doctor` looks at. A check finds things out and never raises for what it finds.

To add one, write it and put it into `checks_of`.
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from conversation_engine.domains.llm.service import LlmService
from conversation_engine.engine.hosted import place_of
from conversation_engine.engine.insights import make_feed
from conversation_engine.engine.migrating import revisions
from conversation_engine.engine.settings import Settings
from conversation_engine.engine.wiring import make_catalog, make_llm
from conversation_engine.infra.db.database import Database
from conversation_engine.infra.db.limits import connection_limit
from conversation_engine.infra.db.opening import backend_of, open_database
from conversation_engine.infra.jobs.service import JobQueue
from conversation_engine.infra.observability.opening import endpoint_of, trouble_of
from conversation_engine.kernel.clock import SystemClock
from conversation_engine.kernel.errors import EngineError
from conversation_engine.kernel.ids import UserId

DATABASE_SECONDS: Final = 10.0
OPERATOR: Final = UserId("local")
"""Whose calls these are: as in `convo chat`."""
VALKEY_SECONDS: Final = 5.0
LEAST_FREE_BYTES: Final = 500_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    what: str
    is_well: bool
    sentence: str
    """What is so, and what to do about it if it is not well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """What there is to look at; nothing runs."""

    settings: Settings
    database: Database
    llm: LlmService


Check = Callable[[], Awaitable[Sequence[Finding]]]


@asynccontextmanager
async def installation(settings: Settings) -> AsyncIterator[Installation]:
    """The parts as the settings have them. Raises BadModelSettingError."""
    async with AsyncExitStack() as stack:
        catalog = make_catalog(settings, {})
        stack.push_async_callback(catalog.aclose)
        database = open_database(settings.resolved_database_url, settings)
        stack.push_async_callback(database.aclose)
        llm = make_llm(settings, catalog, SystemClock())
        yield Installation(settings=settings, database=database, llm=llm)


async def checks_of(place: Installation, *, models: Sequence[str]) -> Sequence[Check]:
    """All there are. `models`: those to ask; none named: the default, the fallbacks and one of each other provider.

    Raises UnknownModelError for a model that is none.
    """
    llm, settings = place.llm, place.settings
    if models:
        return [partial(check_model, llm, place.database, llm.card(name).name) for name in models]
    return [
        partial(check_database, place.database, backend_of(settings.resolved_database_url)),
        partial(check_valkey, settings),
        partial(check_place, settings),
        partial(check_connections, place.database, settings),
        partial(check_jobs, place.database, settings),
        partial(check_warehouse, place.database, settings),
        check_traces,
        *(partial(check_model, llm, place.database, name) for name in await _models_in_use(llm, settings)),
        partial(check_providers, llm, settings),
    ]


async def check_database(database: Database, kind: str) -> Sequence[Finding]:
    """Whether the store answers and has this version's schema."""
    try:
        async with asyncio.timeout(DATABASE_SECONDS):
            current, wanted = await revisions(database)
    except Exception as error:  # noqa: BLE001 - whatever keeps it from answering is the finding
        told = f"{kind} at {database.url} does not answer ({type(error).__name__}). Check CE_DATABASE_URL."
        return [Finding(what="database", is_well=False, sentence=told)]
    is_well = current == wanted or current is None or kind == "sqlite"
    state = {wanted: "has this version's schema", None: "is empty and is set up by the first start"}.get(
        current, f"has schema {current}; this version wants {wanted}: `convo db upgrade`"
    )
    return [Finding(what="database", is_well=is_well, sentence=f"{kind} at {database.url} answers and {state}.")]


async def check_valkey(settings: Settings) -> Sequence[Finding]:
    """Whether the Valkey that is set answers; nothing where none is set: then none is needed."""
    url = settings.valkey_url
    if url is None:
        return []
    from conversation_engine.infra.valkey.checking import server_of

    where = place_of(url.get_secret_value())[1]
    try:
        server = await server_of(url, seconds=VALKEY_SECONDS)
    except Exception as error:  # noqa: BLE001 - whatever keeps it from answering is the finding
        told = (
            f"Nothing answers at {where} ({type(error).__name__}). Check CE_VALKEY_URL, and that the server runs and "
            "lets this machine in. Until it does, nothing is lost: every process counts rates for itself, so that N of "
            "them let in N times as much, and words of turns on other processes come four times a second."
        )
        return [Finding(what="valkey", is_well=False, sentence=told)]
    return [Finding(what="valkey", is_well=True, sentence=f"{server} at {where} answers.")]


async def check_place(settings: Settings) -> Sequence[Finding]:
    """Whether the data folder can be written to and has room; nothing where there is none."""
    folder = settings.data_dir
    if not folder.exists():
        return []
    free = shutil.disk_usage(folder).free
    if not os.access(folder, os.W_OK):
        told = f"{folder} cannot be written to by this user. Give it to the one that runs convo, or set CE_DATA_DIR."
        return [Finding(what="data folder", is_well=False, sentence=told)]
    is_well = free >= LEAST_FREE_BYTES
    told = f"{folder} can be written to and has {free / 1e9:.1f} GB free."
    return [Finding(what="data folder", is_well=is_well, sentence=told if is_well else f"{told} Make room.")]


async def check_connections(database: Database, settings: Settings) -> Sequence[Finding]:
    """Whether PostgreSQL takes as many connections as this server may open; nothing on SQLite."""
    try:
        async with asyncio.timeout(DATABASE_SECONDS):
            limit = await database.read(connection_limit)
    except Exception:  # noqa: BLE001 - a finding of `check_database`
        return []
    if limit is None:
        return []
    own = settings.workers * (settings.database_pool_size + settings.database_pool_overflow + 1)
    told = f"this server opens up to {own} connections, PostgreSQL takes {limit} from everybody together"
    advice = "" if own < limit else ": lower CE_WORKERS or CE_DATABASE_POOL_SIZE, or raise max_connections"
    return [Finding(what="connections", is_well=own < limit, sentence=f"{told}{advice}.")]


async def check_jobs(database: Database, settings: Settings) -> Sequence[Finding]:
    """Whether background work was given up."""
    queue = JobQueue(database, clock=SystemClock(), settings=settings)
    try:
        async with asyncio.timeout(DATABASE_SECONDS):
            standing = await queue.count()
    except Exception:  # noqa: BLE001 - no table yet, or a finding of `check_database`
        return []
    dead = sum(count for (_, state), count in standing.items() if state == "dead")
    waiting = sum(count for (_, state), count in standing.items() if state == "waiting")
    told = f"{waiting} wait, {dead} were given up"
    advice = ": `convo jobs` says why, `convo jobs retry --all` tries again" if dead else ""
    return [Finding(what="background work", is_well=not dead, sentence=f"{told}{advice}.")]


async def check_warehouse(database: Database, settings: Settings) -> Sequence[Finding]:
    """Whether the warehouse that is set answers and is fed; nothing where none is set."""
    if settings.warehouse_url is None:
        return []
    feed = make_feed(database, JobQueue(database, clock=SystemClock(), settings=settings), settings)
    try:
        standing, (sessions, messages) = await feed.standing(), await feed.counts()
    except Exception as error:  # noqa: BLE001 - whatever keeps it from answering is the finding
        told = error.detail if isinstance(error, EngineError) else f"It does not answer ({type(error).__name__})."
        return [Finding(what="warehouse", is_well=False, sentence=told)]
    finally:
        await feed.aclose()
    told = f"It has {sessions} sessions and {messages} messages; {standing.waiting} changes wait."
    advice = "" if standing.is_watched else " Changes are not noted: run `convo warehouse init`."
    return [Finding(what="warehouse", is_well=standing.is_watched, sentence=told + advice)]


async def check_traces(environment: Mapping[str, str] = os.environ) -> Sequence[Finding]:
    """Where traces are sent to, or why they are not; nothing where none are wanted."""
    endpoint = endpoint_of(environment)
    if endpoint is None:
        return []
    trouble = trouble_of(environment)
    told = f"Sent to {urlsplit(endpoint).netloc.rpartition('@')[2]} over OTLP; nobody asked whether it takes them."
    return [Finding(what="traces", is_well=trouble is None, sentence=trouble or told)]


async def check_model(llm: LlmService, database: Database, name: str) -> Sequence[Finding]:
    """Whether a model answers. One small model call, on the local user's record where the database takes it."""
    check = await llm.check(llm.check_call(name, owner_id=OPERATOR))
    if (attempt := check.attempt) is not None:
        with suppress(Exception):  # what is wrong with the database is a finding of its own
            async with asyncio.timeout(DATABASE_SECONDS):
                await database.write(lambda tx: llm.record(tx, attempt))
    took = f" ({check.latency_ms} ms)" if check.is_ok else ""
    return [Finding(what=f"model {name}", is_well=check.is_ok, sentence=check.sentence + took)]


async def check_providers(llm: LlmService, settings: Settings) -> Sequence[Finding]:
    """Providers of which no model is known, so that none could be asked."""
    listed = {_provider_of(listing.card.name) for listing in await llm.models()}
    return [
        Finding(
            what=f"provider {name}",
            is_well=True,
            sentence=f"Not asked: name a model, `convo doctor {name}/NAME`, or list some in CE_PROVIDERS.",
        )
        for name in settings.providers
        if name not in listed
    ]


async def _models_in_use(llm: LlmService, settings: Settings) -> Sequence[str]:
    listings = await llm.models()
    names = [listing.card.name for listing in listings if listing.is_default or listing.fallback_rank]
    seen = {"local", *map(_provider_of, names)}
    for listing in listings:
        provider = _provider_of(listing.card.name)
        if provider not in seen and (listing.unusable is None or provider in settings.providers):
            seen.add(provider)
            names.append(listing.card.name)
    return names


def _provider_of(model: str) -> str:
    return model.partition("/")[0]
