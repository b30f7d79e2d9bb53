"""What we need from a model service."""

from collections.abc import AsyncGenerator
from typing import Protocol

from conversation_engine.domains.llm.types import ModelEvent, ModelRequest


class ModelProvider(Protocol):
    """One service that answers model calls."""

    @property
    def name(self) -> str:
        """Stable, lower case; what `llm_requests.provider` says."""
        ...

    def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """Call the model once, without retries.

        Yields `TextDelta`s as they arrive, then exactly one `ReplyFinished`. Raises a `ModelError` for anything
        that goes wrong, at any point. Closing the iterator closes the upstream connection.
        """
        ...

    async def warm_up(self) -> None:
        """Do now what the first call would wait for. Never raises: the first call will say what is wrong."""
        ...

    async def aclose(self) -> None:
        """Let go of connections and processes. Idempotent."""
        ...
