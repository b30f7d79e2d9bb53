"""The door to embeddings."""

from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

from conversation_engine.domains.llm.embeddings.errors import EmbeddingsOffError
from conversation_engine.domains.llm.embeddings.ports import Embedder
from conversation_engine.domains.llm.embeddings.types import QueryVector, Vector
from conversation_engine.kernel.ids import UserId

REMEMBERED_QUERIES: Final = 1024


class EmbeddingService:
    """One embedding model, or none. Vectors of queries are remembered, in memory only and without the words."""

    def __init__(self, embedder: Embedder | None) -> None:
        self._embedder = embedder
        self._queries: OrderedDict[bytes, Vector] = OrderedDict()

    @property
    def model(self) -> str | None:
        """The model's name; `None` where there is none."""
        return None if self._embedder is None else self._embedder.model

    async def passages(self, texts: Sequence[str], *, owner_id: UserId) -> Sequence[Vector]:
        """One vector for each text, paid by `owner_id`. Raises EmbeddingsOffError, OverBudgetError or a ModelError."""
        return await self._require().embed_passages(texts, owner_id=owner_id)

    async def query(self, text: str, *, owner_id: UserId) -> QueryVector:
        """The vector of what somebody looks for. Raises as `passages` does."""
        embedder = self._require()
        key = blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest()
        known = self._queries.get(key)
        if known is not None:
            self._queries.move_to_end(key)
            return QueryVector(vector=known, was_cached=True)
        vector = self._queries[key] = await embedder.embed_query(text, owner_id=owner_id)
        if len(self._queries) > REMEMBERED_QUERIES:
            self._queries.popitem(last=False)
        return QueryVector(vector=vector, was_cached=False)

    async def aclose(self) -> None:
        """Let go of the model. Idempotent."""
        if self._embedder is not None:
            await self._embedder.aclose()

    def _require(self) -> Embedder:
        if self._embedder is None:
            raise EmbeddingsOffError
        return self._embedder
