"""`POST /v1/embeddings`: texts as vectors, by the model that search by meaning uses."""

import base64
import struct
from collections.abc import Sequence
from typing import Annotated, Final, Literal

from pydantic import BaseModel, Field

from conversation_engine.domains.llm.embeddings.errors import EmbeddingsOffError
from conversation_engine.domains.llm.embeddings.service import EmbeddingService
from conversation_engine.domains.llm.embeddings.types import Vector
from conversation_engine.domains.llm.errors import UnknownModelError
from conversation_engine.domains.llm.tokens import count_tokens
from conversation_engine.entrypoints.openai.errors import UnsupportedFieldError
from conversation_engine.entrypoints.openai.fields import LABELS, TAGS, DialectBody
from conversation_engine.infra.web.access import Caller, service_of
from conversation_engine.infra.web.once import OnceRoute
from conversation_engine.infra.web.room import Room
from conversation_engine.kernel.text import checked_text

router = Room("/v1/embeddings", tags=TAGS, route_class=OnceRoute)
Embeddings = Annotated[EmbeddingService, service_of(EmbeddingService)]
MOST_TEXTS: Final = 2048
"""What the dialect allows."""
TEXT_LIMIT_CHARACTERS: Final = 100_000
Text = Annotated[str, Field(min_length=1)]


class EmbeddingIn(DialectBody):
    """Texts to be turned into vectors."""

    input: Text | Annotated[list[Text], Field(min_length=1, max_length=MOST_TEXTS)]
    model: str
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = None


class EmbeddingObject(BaseModel):
    """One text's vector."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str = Field(description="base64: of little-endian 32-bit floats.")


class EmbeddingUsage(BaseModel):
    """Our own count of the texts."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingObjects(BaseModel):
    """Vectors in the order of the texts, each of length one."""

    object: Literal["list"] = "list"
    data: Sequence[EmbeddingObject]
    model: str
    usage: EmbeddingUsage


@router.post("")
async def create_embeddings(body: EmbeddingIn, caller: Caller, embeddings: Embeddings) -> EmbeddingObjects:
    """Turn texts into vectors. What is too long for the model is cut, as in search."""
    body.refuse_unsupported(LABELS)
    model = embeddings.model
    if model is None:
        raise EmbeddingsOffError
    if body.model != model:
        raise UnknownModelError(body.model, [model])
    texts = [body.input] if isinstance(body.input, str) else body.input
    for place, text in enumerate(texts):
        checked_text(text, name=f"input[{place}]", limit_characters=TEXT_LIMIT_CHARACTERS, blank_allowed=True)
    vectors = await embeddings.passages(texts, owner_id=caller.user_id)
    _check_dimensions(body.dimensions, vectors[0])
    tokens = sum(map(count_tokens, texts))
    return EmbeddingObjects(
        data=[
            EmbeddingObject(index=place, embedding=_written(vector, body.encoding_format))
            for place, vector in enumerate(vectors)
        ],
        model=model,
        usage=EmbeddingUsage(prompt_tokens=tokens, total_tokens=tokens),
    )


def _check_dimensions(wanted: int | None, vector: Vector) -> None:
    own = len(vector) // 4
    if wanted is not None and wanted != own:
        raise UnsupportedFieldError("dimensions", f"this model has {own}")


def _written(vector: Vector, encoding: str | None) -> list[float] | str:
    if encoding == "base64":
        return base64.b64encode(vector).decode()
    return list(struct.unpack(f"<{len(vector) // 4}f", vector))
