"""The words of embeddings."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, NewType

Vector = NewType("Vector", bytes)
"""Little-endian 32-bit floats, of length one: the scalar product of two is the cosine of their angle."""


class Embedded(NamedTuple):
    """What a service answered."""

    vectors: Sequence[Vector]
    input_tokens: int | None
    """As the service counts; `None` where it does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryVector:
    """What somebody looks for, as a vector."""

    vector: Vector
    was_cached: bool
