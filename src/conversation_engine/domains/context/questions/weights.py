"""What was learnt about questions: `understanding.json`, made by `scripts/train_understanding.py`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from conversation_engine.domains.context.questions.meaning import Meanings, load_meanings
from conversation_engine.domains.context.questions.words import Rarity

FILE: Final = Path(__file__).with_name("understanding.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Weights by feature, `bias` among them; thresholds are probabilities."""

    rarity: Rarity
    meanings: Meanings
    follow_up: Mapping[str, float]
    terms: Mapping[str, float]
    terms_threshold: float
    shift: Mapping[str, float]
    shift_threshold: float


@cache
def load_weights(file: Path = FILE) -> Weights:
    """Read them and `meanings.bin`: some milliseconds, once a process."""
    learnt = json.loads(file.read_text(encoding="utf-8"))
    return Weights(
        rarity=rarity_from(learnt["rarity"]),
        meanings=load_meanings(),
        follow_up=learnt["follow_up"],
        terms=learnt["terms"]["weights"],
        terms_threshold=learnt["terms"]["threshold"],
        shift=learnt["shift"]["weights"],
        shift_threshold=learnt["shift"]["threshold"],
    )


def rarity_from(table: Mapping[str, object]) -> Rarity:
    """The rarity of stems from the table in the file: how many texts were read, and stems by how many held them."""
    texts, stems = table["texts"], table["stems"]
    if not isinstance(texts, int) or not isinstance(stems, dict):
        raise TypeError("the table of word frequencies is not as the training script writes it")
    return Rarity(texts, {stem: int(count) for count, group in stems.items() for stem in group.split()})
