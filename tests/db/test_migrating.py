"""The schema that migrations build is the schema that the models say, on both databases."""

import asyncio

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect

from conversation_engine.engine.metadata import is_modelled, schema
from conversation_engine.engine.migrating import upgrade
from conversation_engine.engine.settings import Settings
from conversation_engine.infra.db.database import Tx
from conversation_engine.infra.db.opening import open_database


def differences(tx: Tx) -> list[object]:
    opts = {
        "compare_type": True,
        "compare_server_default": True,
        "include_name": lambda name, kind, parents: is_modelled(name),
    }
    context = MigrationContext.configure(tx, opts=opts)
    return list(compare_metadata(context, schema()))


@pytest.fixture
def database_url(empty_database_url: str) -> str:
    """Without a table yet."""
    return empty_database_url


class TestUpgrade:
    async def test_it_builds_what_the_models_say(self, settings: Settings) -> None:
        database = open_database(settings.resolved_database_url, settings)
        try:
            assert await database.read(differences) != []
            await upgrade(database)
            assert await database.read(differences) == []
            tables = await database.read(lambda tx: set(inspect(tx).get_table_names()))
            assert {name for name in tables if is_modelled(name)} == {*schema().tables, "alembic_version"}
        finally:
            await database.aclose()

    async def test_a_second_time_it_changes_nothing(self, settings: Settings) -> None:
        database = open_database(settings.resolved_database_url, settings)
        try:
            await upgrade(database)
            await upgrade(database)
            assert await database.read(differences) == []
        finally:
            await database.aclose()

    async def test_many_processes_may_start_at_once(self, settings: Settings) -> None:
        databases = [open_database(settings.resolved_database_url, settings) for _ in range(4)]
        try:
            await asyncio.gather(*(upgrade(database) for database in databases))
            assert await databases[0].read(differences) == []
        finally:
            for database in databases:
                await database.aclose()
