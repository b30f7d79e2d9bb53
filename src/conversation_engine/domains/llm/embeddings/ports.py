"""What we need of an embedding model."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from conversation_engine.domains.llm.embeddings.types import Embedded, Vector
from conversation_engine.kernel.ids import UserId


class Embedder(Protocol):
    """Turns texts into vectors of one length, for somebody who pays where it costs something. Never blocks the loop."""

    @property
    def model(self) -> str:
        """What vectors are recorded with: those of two names are not compared."""
        ...

    async def embed_passages(self, texts: Sequence[str], *, owner_id: UserId) -> Sequence[Vector]:
        """One vector for each text, in order; what is too long for the model is cut. Raises a ModelError."""
        ...

    async def embed_query(self, text: str, *, owner_id: UserId) -> Vector:
        """The vector of what somebody looks for; it does not wait for passages. Raises a ModelError."""
        ...

    async def aclose(self) -> None:
        """Let go of threads and connections. Idempotent."""
        ...


class EmbeddingBooks(Protocol):
    """Where calls of a service are promised, put on record and paid."""

    async def __call__(
        self, texts: Sequence[str], ask: Callable[[], Awaitable[Embedded]], *, model: str, owner_id: UserId
    ) -> Embedded:
        """What `ask` answers. Raises what it does, OverBudgetError or UnknownPriceError before it is asked."""
        ...
