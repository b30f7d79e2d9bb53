"""The rows that follow-ups are judged by, as the data's own README describes them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conversation_engine.domains.context.questions.talk import Said


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A question behind its history."""

    query: str
    said: Sequence[Said]
    is_strong: bool
    """Whether a person's rewrite of it needed words that were said before."""
    added: Sequence[str]
    """Those words, as Porter's stems."""
    source: str


def find(data: Path | None, name: str, *, tiny: bool) -> list[Row]:
    """The rows of one file under `data/followup`, the first 40 if `tiny`; says so and gives none where it is absent."""
    file = None if data is None else data / "followup" / f"{name}.jsonl"
    if file is None or not file.is_file():
        print(f"  {name}: not judged. Its rows are not part of the project: name the folder that holds")
        print(f"  followup/{name}.jsonl with --data FOLDER or CE_EVAL_DATA.")
        return []
    with file.open(encoding="utf-8") as lines:
        rows = [_row(json.loads(line)) for line in lines]
    return rows[:40] if tiny else rows


def _row(raw: Mapping[str, Any]) -> Row:
    history = [one for one in raw["history"] if one["content"]]
    added = raw.get("context_tokens_added") or []
    return Row(
        query=raw["query"],
        said=[Said(number, one["role"], one["content"]) for number, one in enumerate(history, start=1)],
        is_strong=bool(history and added),
        added=added,
        source=raw["source"],
    )
