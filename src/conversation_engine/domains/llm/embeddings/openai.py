"""Embeddings of the OpenAI dialect: `POST {base_url}/embeddings`."""

import asyncio
import math
import struct
from collections.abc import Sequence
from typing import Any, Final

from conversation_engine.domains.llm.embeddings.types import Vector
from conversation_engine.domains.llm.errors import MalformedStreamError, ModelTimeoutError
from conversation_engine.domains.llm.wire import Endpoint, parse

BATCH_TEXTS: Final = 96
TEXT_LIMIT_CHARACTERS: Final = 16_000
"""About 4,000 tokens; such services refuse what is too long instead of cutting it."""


class OpenAIEmbedder:
    """An `Embedder` over a service."""

    def __init__(self, endpoint: Endpoint, *, model: str, timeout_seconds: float) -> None:
        self._endpoint = endpoint
        self._name = model
        self._timeout_seconds = timeout_seconds

    @property
    def model(self) -> str:
        return f"openai/{self._name}"

    async def embed_passages(self, texts: Sequence[str]) -> Sequence[Vector]:
        vectors: list[Vector] = []
        for start in range(0, len(texts), BATCH_TEXTS):
            vectors += await self._embed(texts[start : start + BATCH_TEXTS])
        return vectors

    async def embed_query(self, text: str) -> Vector:
        return (await self._embed([text]))[0]

    async def aclose(self) -> None:
        await self._endpoint.client.aclose()

    async def _embed(self, texts: Sequence[str]) -> list[Vector]:
        body = {"model": self._name, "input": [text[:TEXT_LIMIT_CHARACTERS] for text in texts]}
        try:
            async with asyncio.timeout(self._timeout_seconds):
                answer = await self._endpoint.client.answer(self._endpoint, {**body, "encoding_format": "float"})
        except TimeoutError as error:
            raise ModelTimeoutError("total") from error
        return _vectors(parse(answer), count=len(texts))


def _vectors(answer: dict[str, Any], *, count: int) -> list[Vector]:
    try:
        rows = sorted(answer["data"], key=lambda row: row["index"])
        vectors = [_unit([float(number) for number in row["embedding"]]) for row in rows]
    except (KeyError, TypeError, ValueError) as error:
        raise MalformedStreamError("embeddings that are none") from error
    if len(vectors) != count or len({len(vector) for vector in vectors}) != 1:
        raise MalformedStreamError(f"{len(vectors)} embeddings for {count} texts, or of different lengths")
    return vectors


def _unit(numbers: list[float]) -> Vector:
    length = math.sqrt(math.fsum(number * number for number in numbers))
    if not (numbers and math.isfinite(length) and length > 0):
        raise ValueError
    return Vector(struct.pack(f"<{len(numbers)}f", *(number / length for number in numbers)))
