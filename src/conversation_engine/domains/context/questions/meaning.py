"""What words mean, roughly: a vector for each common English word, near to those of words that are used like it.

Distilled from a sentence model by `scripts/distil_meanings.py`; no model is needed to use them.
"""

import json
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import log, sqrt
from operator import mul
from pathlib import Path
from typing import Final, NamedTuple

from conversation_engine.domains.context.questions.words import Word

FILE: Final = Path(__file__).with_name("meanings.bin")
Vector = Sequence[float]


class Meant(NamedTuple):
    """A word of a text."""

    stem: str
    weight: float
    """How much it tells, from 0 to 1: rare words tell more."""
    place: int | None
    """In the table; `None` for a word that is not in it."""


class Meanings:
    """The table. Texts mean the mean of their words, rare words more than common ones."""

    def __init__(self, words: Sequence[str], vectors: bytes, *, dimensions: int) -> None:
        """`words` from the commonest to the rarest, `vectors` a signed byte for each dimension of each."""
        self._places = {word: place for place, word in enumerate(words)}
        self._vectors = vectors
        self._scale = log(len(words) + 1)
        self.dimensions = dimensions

    def words(self, words: Sequence[Word]) -> list[Meant]:
        """Those that say something."""
        return [self._meant(word) for word in words if word.is_content]

    def gist(self, words: Sequence[Word]) -> "Gist":
        """What they mean, one by one and together."""
        return Gist(meant=self.words(words), table=self)

    def mean(self, meant: Sequence[Meant]) -> Vector:
        """What they mean together, of length one; nothing but zeros where none is in the table."""
        total = [0.0] * self.dimensions
        for one in meant:
            if one.place is not None:
                total = [old + one.weight * new for old, new in zip(total, self._vector(one.place), strict=True)]
        return _unit(total)

    def middle(self, vectors: Sequence[Vector]) -> Vector:
        """Their mean, at length one."""
        return _unit([sum(values) for values in zip(*vectors, strict=True)])

    def direction(self, place: int) -> Vector:
        """Of a word in the table: its vector at length one."""
        return _unit(self._vector(place))

    def _meant(self, word: Word) -> Meant:
        forms = (word.lower, word.stem, f"{word.stem}e", word.lower.rstrip("s"))
        place = next((self._places[form] for form in forms if form in self._places), None)
        return Meant(word.stem, 1.0 if place is None else log(place + 1) / self._scale, place)

    def _vector(self, place: int) -> Sequence[int]:
        start = place * self.dimensions
        return array("b", self._vectors[start : start + self.dimensions])


@dataclass(frozen=True, kw_only=True)
class Gist:
    """What a text means; each part is worked out when it is first asked for."""

    meant: Sequence[Meant]
    """Its words that say something."""
    table: Meanings

    @cached_property
    def mean(self) -> Vector:
        """What they mean together."""
        return self.table.mean(self.meant)

    @cached_property
    def directions(self) -> Mapping[int, Vector]:
        """What each word that is in the table means, by its place there."""
        places = dict.fromkeys(one.place for one in self.meant if one.place is not None)
        return {place: self.table.direction(place) for place in places}

    @cached_property
    def stems(self) -> frozenset[str]:
        """Of its words."""
        return frozenset(one.stem for one in self.meant)


def likeness(one: Vector, other: Vector) -> float:
    """The cosine of two vectors of length one (or of none: 0)."""
    cosine: float = sum(map(mul, one, other))
    return cosine


def load_meanings(file: Path = FILE) -> Meanings:
    """Read the table: 1.5 MB, some milliseconds."""
    about, words, vectors = file.read_bytes().split(b"\n", 2)
    return Meanings(words.decode().split(), vectors, dimensions=json.loads(about)["dimensions"])


def _unit(vector: Sequence[float]) -> Vector:
    length = sqrt(sum(map(mul, vector, vector)))
    return [value / length for value in vector] if length else [0.0] * len(vector)
