"""`convo db copy`: all that one database holds, in another one."""

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack

from conversation_engine.domains.retrieval.index.postgres import PostgresIndex
from conversation_engine.engine.errors import SchemaMismatchError
from conversation_engine.engine.metadata import schema
from conversation_engine.engine.migrating import revisions, upgrade
from conversation_engine.engine.settings import Settings
from conversation_engine.infra.db.copies.copying import copy
from conversation_engine.infra.db.copies.values import Digest
from conversation_engine.infra.db.database import Database
from conversation_engine.infra.db.opening import backend_of, open_database


async def copy_database(
    source_url: str, target_url: str, *, settings: Settings, told: Callable[[str, int], None]
) -> Mapping[str, Digest]:
    """Every row of every table into a database without rows, which gets the schema; what each table comes to.

    Raises SchemaMismatchError where either has another version's schema, TargetNotEmptyError, CopyDiffersError.
    """
    async with AsyncExitStack() as stack:
        source, target = (open_database(url, settings) for url in (source_url, target_url))
        for database in (source, target):
            stack.push_async_callback(database.aclose)
        await _check_schema(source)
        await _check_schema(target, may_be_empty=True)
        await upgrade(target)
        digests = await copy(source, target, schema(), told=told)
        if backend_of(target_url) == "postgresql":
            await target.write(PostgresIndex().prepare_all_vectors)
        return digests


async def _check_schema(database: Database, *, may_be_empty: bool = False) -> None:
    current, expected = await revisions(database)
    if current != expected and not (may_be_empty and current is None):
        raise SchemaMismatchError(current=current or "none", expected=expected)
