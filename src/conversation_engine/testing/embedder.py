"""An embedding model that knows words and nothing else: the same text gives the same vector everywhere."""

import hashlib
import math
import re
import struct
from collections.abc import Sequence

from conversation_engine.domains.llm.embeddings.types import Vector
from conversation_engine.kernel.ids import UserId


class WordEmbedder:
    """An `Embedder` for tests: texts are near each other as far as they share words."""

    def __init__(self, *, model: str = "test/words", dimensions: int = 32) -> None:
        self._model = model
        self._dimensions = dimensions
        self.passages: list[str] = []
        """Every passage that was embedded, in order."""
        self.queries: list[str] = []
        self.fail_with: Exception | None = None
        """Raised instead of an answer."""

    @property
    def model(self) -> str:
        return self._model

    async def embed_passages(self, texts: Sequence[str], *, owner_id: UserId) -> Sequence[Vector]:
        if self.fail_with is not None:
            raise self.fail_with
        self.passages += texts
        return [self._vector(text) for text in texts]

    async def embed_query(self, text: str, *, owner_id: UserId) -> Vector:
        if self.fail_with is not None:
            raise self.fail_with
        self.queries.append(text)
        return self._vector(text)

    async def aclose(self) -> None:
        return None

    def _vector(self, text: str) -> Vector:
        numbers = [1e-6] * self._dimensions
        for word in re.findall(r"\w+", text.lower()):
            digest = hashlib.sha256(word.encode()).digest()
            numbers[digest[0] % self._dimensions] += 1.0 if digest[1] % 2 else -1.0
        length = math.sqrt(math.fsum(number * number for number in numbers))
        return Vector(struct.pack(f"<{self._dimensions}f", *(number / length for number in numbers)))
