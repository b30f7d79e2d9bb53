"""What we need of an embedding model."""

from collections.abc import Sequence
from typing import Protocol

from conversation_engine.domains.llm.embeddings.types import Vector


class Embedder(Protocol):
    """Turns texts into vectors of one length. Never blocks the event loop."""

    @property
    def model(self) -> str:
        """What vectors are recorded with: those of two names are not compared."""
        ...

    async def embed_passages(self, texts: Sequence[str]) -> Sequence[Vector]:
        """One vector for each text, in order; what is too long for the model is cut. Raises a ModelError."""
        ...

    async def embed_query(self, text: str) -> Vector:
        """The vector of what somebody looks for; it does not wait for passages. Raises a ModelError."""
        ...

    async def aclose(self) -> None:
        """Let go of threads and connections. Idempotent."""
        ...
