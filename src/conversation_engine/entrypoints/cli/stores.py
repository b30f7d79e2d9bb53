"""The configured database, for commands that look after what is in it."""

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from conversation_engine.entrypoints.cli.configuration import load_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from conversation_engine.engine.engine import ConversationEngine


@asynccontextmanager
async def store() -> "AsyncIterator[ConversationEngine]":
    """Over the database alone: no turn is run or recovered for this."""
    from conversation_engine.engine.engine import ConversationEngine
    from conversation_engine.engine.migrating import prepare
    from conversation_engine.infra.db.opening import backend_of

    settings = load_settings()
    engine = ConversationEngine(settings)
    try:
        await prepare(engine.database, is_embedded=backend_of(settings.resolved_database_url) == "sqlite")
        yield engine
    finally:
        await engine.aclose()
