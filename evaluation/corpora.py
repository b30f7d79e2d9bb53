"""Texts to measure on: small ones of our own, and larger ones of others if somebody has them."""

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

TEXTS = Path(__file__).parent / "texts"


def own_texts() -> Mapping[str, Sequence[str]]:
    """Passages by language (or `code`, `json`): written for this purpose, said by nobody."""
    return {path.stem: path.read_text(encoding="utf-8").strip().split("\n\n") for path in sorted(TEXTS.glob("*.txt"))}


def conversations_in(folder: Path) -> Iterator[tuple[str, Sequence[Sequence[str]]]]:
    """Each `.jsonl` or `.jsonl.gz` in `folder` whose rows have `messages` with `content`: its name, what was said."""
    for path in sorted(folder.glob("*.jsonl*")):
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        talks = [_contents(json.loads(line)) for line in raw.splitlines()]
        if any(talks):
            yield path.name.partition(".")[0], [talk for talk in talks if talk]


def _contents(row: object) -> Sequence[str]:
    messages = row.get("messages") if isinstance(row, dict) else None
    if not isinstance(messages, list):
        return []
    return [m["content"] for m in messages if isinstance(m, dict) and isinstance(m.get("content"), str)]
