"""Engines whose clock is not the machine's."""

from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any, Protocol

import pytest

from conversation_engine.domains.llm.ports import ModelProvider
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.engine.migrating import upgrade
from conversation_engine.engine.settings import Settings
from conversation_engine.testing import FakeClock

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


class OpenStale(Protocol):
    """Opens an engine whose leases have expired for everybody else."""

    def __call__(self, model: ModelProvider, **changes: Any) -> Awaitable[ConversationEngine]: ...


@pytest.fixture
async def open_stale(settings: Settings) -> AsyncIterator[OpenStale]:
    """A process that the others think dead, though it lives: what it holds was leased until some day in 2020."""
    async with AsyncExitStack() as stack:

        async def open_one(model: ModelProvider, **changes: Any) -> ConversationEngine:
            engine = ConversationEngine(
                settings.model_copy(update=changes), providers={"scripted": model}, clock=FakeClock(LONG_AGO)
            )
            await upgrade(engine.database)
            return await stack.enter_async_context(engine)

        yield open_one
