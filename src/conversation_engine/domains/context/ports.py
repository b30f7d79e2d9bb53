"""What windows may use from outside."""

from collections.abc import Sequence
from typing import Protocol


class Resemblance(Protocol):
    """Tells how near texts are to a question in meaning, such as by embeddings."""

    async def scores(self, *, question: str, texts: Sequence[str]) -> Sequence[float]:
        """One a text, in their order, from 0 (nothing to do with it) to 1. Raises EngineError where it cannot."""
        ...
