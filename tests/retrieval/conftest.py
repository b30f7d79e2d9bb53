"""Engines with an embedding model that needs no weights."""

from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack
from typing import Any, Protocol

import pytest

from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.engine.settings import Settings
from conversation_engine.testing import ScriptedModel, WordEmbedder


class OpenLibrary(Protocol):
    """Opens an engine over the test's database."""

    def __call__(self, embedder: WordEmbedder | None = None, **changes: Any) -> Awaitable[ConversationEngine]: ...


@pytest.fixture
def model() -> ScriptedModel:
    """Who answers; without a script it echoes."""
    return ScriptedModel()


@pytest.fixture
async def open_library(settings: Settings, model: ScriptedModel) -> AsyncIterator[OpenLibrary]:
    """Engines over one database, as many processes would be."""
    async with AsyncExitStack() as stack:

        async def open_one(embedder: WordEmbedder | None = None, **changes: Any) -> ConversationEngine:
            engine = ConversationEngine(
                settings.model_copy(update=changes), embedder=embedder or WordEmbedder(), providers={"scripted": model}
            )
            return await stack.enter_async_context(engine)

        yield open_one


@pytest.fixture
async def engine(open_library: OpenLibrary) -> ConversationEngine:
    """One of them."""
    return await open_library()
