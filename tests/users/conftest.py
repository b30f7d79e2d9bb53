"""Processes that share a database."""

from collections.abc import AsyncIterator

import pytest

from conversation_engine.engine.settings import Settings
from conversation_engine.infra.db.opening import open_database
from tests.users.scenes import Office, OpenOffice


@pytest.fixture
async def open_office(settings: Settings) -> AsyncIterator[OpenOffice]:
    """Any number of them."""
    database = open_database(settings.resolved_database_url, settings)

    def open_one(**changes: object) -> Office:
        clock = changes.pop("clock", None)
        return Office(database, settings.model_copy(update=changes), clock=clock)  # type: ignore[arg-type]

    yield open_one
    await database.aclose()
