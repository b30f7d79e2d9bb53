"""Learns which questions are follow-ups where the local embedding model is there to say what they mean.

    python scripts/train_senses.py --data FOLDER [--check]

writes `senses.json` of domains/context/questions, from the examples of `train_understanding.py` (a third of the talks),
with its features and the model's; `--check` prints what corpora left out say, and writes nothing. Needs the extra
`retrieval`, and minutes of one processor: 15,000 short texts are embedded.
"""

import argparse
import asyncio
import json
import math
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from train_understanding import CORPORA, Guess, best_threshold, fair_costs, kind_of, still_points
from understanding_examples import SEED, Example, question_examples

from conversation_engine.domains.context.questions.follow_up import Features, FollowUpClassifier
from conversation_engine.domains.context.questions.senses import FILE, sense_features, texts_of
from conversation_engine.domains.context.questions.talk import Asked, Talk
from conversation_engine.domains.context.questions.weights import load_weights
from conversation_engine.domains.llm.embeddings.local import MODEL, LocalEmbedder
from conversation_engine.kernel.ids import UserId

PASSES = 14
GROUP = 64
PULL = 3e-4
"""Towards nothing, of every weight."""
FORGOTTEN = 0.1
"""The share of features that each look at an example does without."""
TALKS_TAKEN = 3
"""Every which talk is learnt from."""
Matrix = np.ndarray[tuple[int, int], np.dtype[np.float32]]
Row = np.ndarray[tuple[int], np.dtype[np.float32]]


def learn(rows: Matrix, labels: Row, costs: Row) -> Row:
    """Logistic regression by Adam; the last weight is the bias."""
    chance = np.random.default_rng(SEED)
    inside = np.hstack([rows, np.ones((len(rows), 1), np.float32)])
    weights, mean, square = (np.zeros(inside.shape[1], np.float32) for _ in range(3))
    step, steps = 0, PASSES * math.ceil(len(rows) / GROUP)
    for _ in range(PASSES):
        order = chance.permutation(len(rows))
        for start in range(0, len(rows), GROUP):
            step += 1
            chosen = order[start : start + GROUP]
            shown = inside[chosen] * (chance.random((len(chosen), inside.shape[1])) > FORGOTTEN) / (1 - FORGOTTEN)
            shown[:, -1] = 1
            slope = shown.T @ ((_guess(shown, weights) - labels[chosen]) * costs[chosen]) / len(chosen) + PULL * weights
            mean = 0.9 * mean + 0.1 * slope
            square = 0.999 * square + 0.001 * slope * slope
            rate = 0.05 * (1 - step / (steps + 1)) / (1 - 0.9 ** min(step, 200))
            weights -= (rate * mean / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)).astype(np.float32)
    return weights


def _guess(rows: Matrix, weights: Row) -> Row:
    return 1 / (1 + np.exp(-np.clip(rows @ weights, -30, 30)))


async def senses(questions: Sequence[Example]) -> list[Features]:
    """What the embedding model says of each question in its place."""
    asked = [texts_of(one.query, one.said) for one in questions]
    texts = list(dict.fromkeys(text for own in asked for text in own))
    print(f"{len(questions)} examples, {len(texts)} texts to embed")
    embedder = LocalEmbedder(threads=1)
    vectors = await embedder.embed_passages(texts, owner_id=UserId("local"))
    await embedder.aclose()
    known = dict(zip(texts, vectors, strict=True))
    return [sense_features([known[text] for text in own]) for own in asked]


def matrix_of(rows: Sequence[Features], names: Sequence[str]) -> Matrix:
    """A row for each."""
    places = {name: place for place, name in enumerate(names)}
    found = np.zeros((len(rows), len(names)), np.float32)
    for number, row in enumerate(rows):
        for name, value in row.items():
            found[number, places[name]] = value
    return found


def train(folder: Path) -> dict[str, object]:
    """Learn, and print what corpora left out say of it."""
    learnt = load_weights()
    questions = [
        one
        for one in question_examples(folder)
        if (one.label or not still_points(one.query, learnt.rarity))
        and zlib.crc32(one.group.encode()) % TALKS_TAKEN == 0
    ]
    reader = FollowUpClassifier({}, learnt.rarity, learnt.meanings)
    plain = [reader.features(Asked.of(one.query), Talk.of(one.said)) for one in questions]
    costs = fair_costs(questions, plain)
    rows = [own | sense for own, sense in zip(plain, asyncio.run(senses(questions)), strict=True)]
    names = sorted({name for row in rows for name in row})
    values, labels = matrix_of(rows, names), np.array([one.label for one in questions], np.float32)

    def learnt_from(inside: Sequence[int]) -> Row:
        chosen = np.array(inside)
        return learn(values[chosen], labels[chosen], np.array(costs(inside), np.float32))

    guesses: dict[str, list[Guess]] = {}
    for corpus in CORPORA:
        weights = learnt_from([i for i, one in enumerate(questions) if one.corpus != corpus])
        outside = [i for i, one in enumerate(questions) if one.corpus == corpus and one.is_real]
        sure = _guess(np.hstack([values[outside], np.ones((len(outside), 1), np.float32)]), weights)
        guesses[corpus] = [(float(p), kind_of(questions[i], plain[i])) for p, i in zip(sure, outside, strict=True)]
    threshold = best_threshold(guesses)
    weights = learnt_from(range(len(questions)))
    weights[-1] -= math.log(threshold / (1 - threshold))  # so that a half is where it turns
    told = dict(zip([*names, "bias"], (round(float(weight), 4) for weight in weights), strict=True))
    return {
        "made_by": "python scripts/train_senses.py --data FOLDER",
        "learnt_from": "QReCC (development, 2,000 turns), CANARD (development), MT-Bench-101; a third of the talks",
        "model": MODEL,
        "follow_up": told,
    }


def main() -> int:
    """Train, then write or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the training data")
    parser.add_argument("--check", action="store_true", help="print what corpora left out say and write nothing")
    chosen = parser.parse_args()
    learnt = train(chosen.data)
    if not chosen.check:
        FILE.write_text(json.dumps(learnt, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
