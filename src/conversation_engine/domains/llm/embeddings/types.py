"""The words of embeddings."""

from dataclasses import dataclass
from typing import NewType

Vector = NewType("Vector", bytes)
"""Little-endian 32-bit floats, of length one: the scalar product of two is the cosine of their angle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryVector:
    """What somebody looks for, as a vector."""

    vector: Vector
    was_cached: bool
