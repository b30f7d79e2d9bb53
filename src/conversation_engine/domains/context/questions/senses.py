"""What an embedding model says of a question in its place; where there is none, the table of meanings says enough.

Weights for it are learnt by `scripts/train_senses.py`, for one model: another one's vectors say nothing to them.
"""

import json
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import sqrt
from operator import mul
from pathlib import Path
from typing import Final

from conversation_engine.domains.context.questions.follow_up import Features
from conversation_engine.domains.context.questions.talk import Said

FILE: Final = Path(__file__).with_name("senses.json")
QUESTIONS_COMPARED: Final = 3
"""Earlier ones: each costs some 7 ms where it was not embedded when it was asked."""
CHARACTERS: Final = 300
"""Of each."""
OWN_SCALE: Final = 4.0
"""What a question means is as weighty as how near it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Senses:
    """Weights by feature, `bias` among them, and the model whose vectors they are for."""

    model: str
    follow_up: Mapping[str, float]


def texts_of(query: str, said: Sequence[Said]) -> list[str]:
    """What is embedded: the question, then the newest earlier ones, oldest first."""
    earlier = [one.text[:CHARACTERS] for one in said if one.role == "user" and one.text.strip()]
    return [query[:CHARACTERS], *earlier[-QUESTIONS_COMPARED:]]


def sense_features(vectors: Sequence[bytes]) -> Features:
    """By name, from the vectors of `texts_of`: of length one, as 32-bit floats."""
    own, *earlier = (array("f", vector) for vector in vectors)
    found = {f"sense.{dimension}": value * OWN_SCALE for dimension, value in enumerate(own)}
    if earlier:
        cosines = [sum(map(mul, own, one)) for one in earlier]
        middle = [sum(values) for values in zip(*earlier, strict=True)]
        length = sqrt(sum(map(mul, middle, middle))) or 1.0
        found |= {
            "sense.newest": cosines[-1],
            "sense.newest_2": max(cosines[-2:]),
            "sense.nearest": max(cosines),
            "sense.first": cosines[0],
            "sense.average": sum(cosines) / len(cosines),
            "sense.all": sum(map(mul, own, middle)) / length,
        }
    return found


@cache
def load_senses(file: Path = FILE) -> Senses:
    """Read them: a millisecond, once a process."""
    learnt = json.loads(file.read_text(encoding="utf-8"))
    return Senses(model=learnt["model"], follow_up=learnt["follow_up"])
