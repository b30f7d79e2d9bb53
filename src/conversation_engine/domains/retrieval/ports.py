"""What search can be given from outside."""

from collections.abc import Sequence
from typing import Protocol


class Reranker(Protocol):
    """Orders passages by how well they answer a question; slower and better than either way of searching."""

    async def rerank(self, *, query: str, passages: Sequence[str]) -> Sequence[int]:
        """Places of the passages, best first; those left out are not shown. Raises an EngineError."""
        ...
