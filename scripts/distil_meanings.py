"""Makes the table of what words mean from the local embedding model.

    python scripts/distil_meanings.py --data FOLDER

writes `meanings.bin` of domains/context/questions. A word begins with the vector that all-MiniLM-L6-v2 gives it
alone; then all are moved, as little as possible, until the mean of a text's words is near the vector of the text. The
texts are those that `train_understanding.py` learns from, in the same FOLDER. Needs the `retrieval` extra; ten minutes
of one processor.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from understanding_examples import Row, read, read_chats

from conversation_engine.domains.context.questions.meaning import FILE, Meanings
from conversation_engine.domains.context.questions.words import words_of
from conversation_engine.domains.llm.embeddings.local import _VOCABULARY, LocalEmbedder, _packaged

Matrix = NDArray[np.float32]
DIMENSIONS = 64
"""Of 384; twice as many gained 0.4 points of balanced accuracy on corpora left out, and cost twice as much."""
STAYING = 1.0
"""How strongly a word is held to its own vector, against one text that it stands in."""
STEPS = 25
TEXT_CHARACTERS = 300


def main() -> int:
    """Read, embed, fit, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the training data")
    words, texts = vocabulary(), list(texts_of(parser.parse_args().data))
    embedder = LocalEmbedder(threads=1)
    alone, whole = embed(embedder, words), embed(embedder, texts)
    whole -= whole.mean(axis=0)
    axes = np.linalg.svd(whole[::2], full_matrices=False)[2][:DIMENSIONS].T
    shares = Shares(Meanings(words, b"", dimensions=DIMENSIONS), texts)
    vectors = fitted(shares, (alone - alone.mean(axis=0)) @ axes, whole @ axes)
    write(words, vectors)
    print(f"wrote {FILE.name}: {len(words)} words, {len(texts)} texts")
    return 0


def vocabulary() -> list[str]:
    """The model's whole words, from the commonest to the rarest."""
    path = _packaged(*_VOCABULARY)
    if path is None:
        raise SystemExit("the local embedding model is not installed: it comes with the `retrieval` extra")
    places: dict[str, int] = json.loads(path.read_text(encoding="utf-8"))["model"]["vocab"]
    return [word for word in sorted(places, key=lambda word: places[word]) if re.fullmatch("[a-z]{2,}", word)]


def texts_of(folder: Path) -> Iterable[str]:
    """What people and assistants said, each text once."""
    rows = read(folder, "qrecc_dev2k") + read(folder, "canard_dev")
    said = [text for row in rows for text in (row["query"], row["rewrite"], *_contents(row["history"]))]
    said += [text for talk in read_chats(folder) for text in _contents(talk["messages"])]
    return dict.fromkeys(text[:TEXT_CHARACTERS].lower() for text in said if text)


def _contents(messages: Sequence[Row]) -> list[str]:
    return [message["content"] for message in messages]


def embed(embedder: LocalEmbedder, texts: Sequence[str]) -> Matrix:
    """A row for each text."""
    rows: list[Any] = []
    for start in range(0, len(texts), 1000):
        rows += [np.frombuffer(vector, "<f4") for vector in embedder._embed(list(texts[start : start + 1000]))]
    return np.array(rows, dtype=np.float32)


class Shares:
    """How much of each text's meaning is each word's: a sparse matrix of texts by words."""

    def __init__(self, meanings: Meanings, texts: Sequence[str]) -> None:
        found: list[tuple[int, int, float]] = []
        for number, text in enumerate(texts):
            known = [one for one in meanings.words(words_of(text)) if one.place is not None]
            total = sum(one.weight for one in known) or 1.0
            found += [(number, one.place or 0, one.weight / total) for one in known]
        self._texts, self._words, self._values = (np.array(column) for column in zip(*found, strict=True))
        self._by_word = np.argsort(self._words, kind="stable")
        self.count = len(texts)

    def means(self, vectors: Matrix) -> Matrix:
        """Of each text's words."""
        return _summed(self._texts, vectors[self._words] * self._values[:, None], self.count)

    def back(self, rows: Matrix, words: int) -> Matrix:
        """The transposed product."""
        order = self._by_word
        return _summed(self._words[order], rows[self._texts[order]] * self._values[order][:, None], words)


def _summed(groups: NDArray[np.int64], rows: Matrix, count: int) -> Matrix:
    """Rows of one group added up; groups are sorted."""
    starts = np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]])
    total: Matrix = np.zeros((count, rows.shape[1]), dtype=np.float32)
    total[groups[starts]] = np.add.reduceat(rows, starts, axis=0)
    return total


def fitted(shares: Shares, alone: Matrix, whole: Matrix) -> Matrix:
    """Ridge regression towards `alone` by conjugate gradients, every dimension by itself."""
    first = shares.means(alone)
    start = alone * ((first * whole).sum() / (first * first).sum())
    moved = np.zeros_like(start)
    rest = shares.back(whole - shares.means(start), len(start))
    way, size = rest.copy(), (rest * rest).sum(axis=0)
    for _ in range(STEPS):
        pull = shares.back(shares.means(way), len(start)) + STAYING * way
        step = size / (way * pull).sum(axis=0)
        moved += step * way
        rest -= step * pull
        size, old = (rest * rest).sum(axis=0), size
        way = rest + size / old * way
    return start + moved


def write(words: Sequence[str], vectors: Matrix) -> None:
    """A line that says what it is, a line of words, and a signed byte for each dimension of each."""
    scale = 127 / np.quantile(np.abs(vectors), 0.9995)
    table = np.clip(np.round(vectors * scale), -127, 127).astype(np.int8)
    about = {
        "made_by": "python scripts/distil_meanings.py --data FOLDER",
        "learnt_from": "all-MiniLM-L6-v2; texts of QReCC and CANARD (development) and MT-Bench-101",
        "dimensions": DIMENSIONS,
    }
    FILE.write_bytes(f"{json.dumps(about)}\n{' '.join(words)}\n".encode() + table.tobytes())


if __name__ == "__main__":
    sys.exit(main())
