"""Embeddings of the OpenAI dialect: `POST {base_url}/embeddings`."""

import asyncio
import math
import struct
from collections.abc import Sequence
from typing import Any, Final

from conversation_engine.domains.llm.embeddings.ports import EmbeddingBooks
from conversation_engine.domains.llm.embeddings.types import Embedded, Vector
from conversation_engine.domains.llm.errors import MalformedStreamError, ModelTimeoutError
from conversation_engine.domains.llm.wire import Endpoint, parse
from conversation_engine.kernel.ids import UserId

BATCH_TEXTS: Final = 96
TEXT_LIMIT_CHARACTERS: Final = 16_000
"""About 4,000 tokens; such services refuse what is too long instead of cutting it."""


class OpenAIEmbedder:
    """An `Embedder` over a service."""

    def __init__(self, endpoint: Endpoint, *, model: str, timeout_seconds: float, books: EmbeddingBooks | None) -> None:
        """Without `books` nothing is on record."""
        self._endpoint = endpoint
        self._books = books
        self._name = model
        self._timeout_seconds = timeout_seconds

    @property
    def model(self) -> str:
        return f"openai/{self._name}"

    async def embed_passages(self, texts: Sequence[str], *, owner_id: UserId) -> Sequence[Vector]:
        vectors: list[Vector] = []
        for start in range(0, len(texts), BATCH_TEXTS):
            vectors += await self._embed(texts[start : start + BATCH_TEXTS], owner_id)
        return vectors

    async def embed_query(self, text: str, *, owner_id: UserId) -> Vector:
        return (await self._embed([text], owner_id))[0]

    async def aclose(self) -> None:
        await self._endpoint.client.aclose()

    async def _embed(self, texts: Sequence[str], owner_id: UserId) -> Sequence[Vector]:
        sent = [text[:TEXT_LIMIT_CHARACTERS] for text in texts]
        if self._books is None:
            return (await self._ask(sent)).vectors
        return (await self._books(sent, lambda: self._ask(sent), model=self.model, owner_id=owner_id)).vectors

    async def _ask(self, texts: list[str]) -> Embedded:
        body = {"model": self._name, "input": texts, "encoding_format": "float"}
        try:
            async with asyncio.timeout(self._timeout_seconds):
                answer = await self._endpoint.client.answer(self._endpoint, body)
        except TimeoutError as error:
            raise ModelTimeoutError("total") from error
        told = parse(answer)
        return Embedded(_vectors(told, count=len(texts)), _tokens(told))


def _vectors(answer: dict[str, Any], *, count: int) -> list[Vector]:
    try:
        rows = sorted(answer["data"], key=lambda row: row["index"])
        vectors = [_unit([float(number) for number in row["embedding"]]) for row in rows]
    except (KeyError, TypeError, ValueError) as error:
        raise MalformedStreamError("embeddings that are none") from error
    if len(vectors) != count or len({len(vector) for vector in vectors}) != 1:
        raise MalformedStreamError(f"{len(vectors)} embeddings for {count} texts, or of different lengths")
    return vectors


def _tokens(answer: dict[str, Any]) -> int | None:
    usage = answer.get("usage")
    told = usage.get("prompt_tokens") if isinstance(usage, dict) else None
    return told if isinstance(told, int) and told >= 0 else None


def _unit(numbers: list[float]) -> Vector:
    length = math.sqrt(math.fsum(number * number for number in numbers))
    if not (numbers and math.isfinite(length) and length > 0):
        raise ValueError
    return Vector(struct.pack(f"<{len(numbers)}f", *(number / length for number in numbers)))
