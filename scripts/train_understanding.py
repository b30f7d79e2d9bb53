"""Learns which questions are follow-ups, which terms they lean on, and where a talk turns to something else.

    python scripts/train_understanding.py --data FOLDER [--check]

writes `understanding.json` of domains/context/questions; `--check` prints what cross-validation says instead.
FOLDER holds `qrecc_dev2k.jsonl`, `canard_dev.jsonl`, `switch_negatives.jsonl` (only its rows made from QReCC are read)
and `tiage_train.jsonl` in `followup/`, and `chats/mtbench101.jsonl.gz`. Nothing that figures are reported on is read.
Standard library only; a minute of one processor, five with `--check`.
"""

import argparse
import json
import math
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from understanding_examples import SEED, Example, numbered, question_examples, read, shift_examples

from conversation_engine.domains.context.questions.follow_up import Features, FollowUpClassifier, features_of, logistic
from conversation_engine.domains.context.questions.meaning import load_meanings
from conversation_engine.domains.context.questions.rewriting import QuestionRewriter
from conversation_engine.domains.context.questions.talk import Asked, Talk
from conversation_engine.domains.context.questions.topics import shift_features
from conversation_engine.domains.context.questions.weights import FILE, rarity_from
from conversation_engine.domains.context.questions.words import Rarity, words_of

Sparse = list[tuple[str, float]]
Costs = Callable[[Sequence[int]], list[float]]
"""What a mistake costs in each of the chosen rows."""
Guess = tuple[float, str]
"""How likely a question was said to be a follow-up, and its kind."""
FEWEST_TEXTS = 3
"""A stem that fewer texts hold is as good as unseen."""
FOLDS = 4
CORPORA = ("nq", "quac", "canard", "mtbench")


# ── learning ──


def still_points(query: str, rarity: Rarity) -> bool:
    """Whether a question that is said to stand alone does not: people leave a pronoun when they rewrite, too."""
    found = features_of(Asked.of(query), Talk([]), rarity)
    return bool(found.get("personal.before_name") or found.get("demonstrative.points"))


def count_stems(texts: Iterable[str]) -> dict[str, object]:
    """The table of word frequencies: stems by how many texts hold them, rounded to steps of a fifth."""
    counts: Counter[str] = Counter()
    total = 0
    for text in texts:
        total += 1
        counts.update({word.stem for word in words_of(text)})
    groups: dict[int, list[str]] = {}
    for stem, count in counts.items():
        if count >= FEWEST_TEXTS and not stem[0].isdigit():
            step = round(FEWEST_TEXTS * 1.2 ** round(math.log(count / FEWEST_TEXTS, 1.2)))
            groups.setdefault(step, []).append(stem)
    return {"texts": total, "stems": {str(step): " ".join(sorted(groups[step])) for step in sorted(groups)}}


def learn(
    rows: Sequence[Features], labels: Sequence[int], *, passes: int, costs: Sequence[float] | None = None
) -> dict[str, float]:
    """Logistic regression with a light L2 penalty by Adam, one example at a time in groups of 64.

    `costs` says what a mistake in each row costs; without it both classes cost the same in sum.
    """
    sparse: list[Sparse] = [[("bias", 1.0), *row.items()] for row in rows]
    share = sum(labels) / len(labels)
    cost = costs or [0.5 / share if label else 0.5 / (1 - share) for label in labels]
    names = sorted({name for row in sparse for name, _ in row})
    weights, mean, square = (dict.fromkeys(names, 0.0) for _ in range(3))
    order, chance, step = list(range(len(rows))), random.Random(SEED), 0
    steps = passes * math.ceil(len(rows) / 64)
    for _ in range(passes):
        chance.shuffle(order)
        for start in range(0, len(order), 64):
            step += 1
            batch = order[start : start + 64]
            slope: dict[str, float] = {}
            for index in batch:
                score = sum(weights[name] * value for name, value in sparse[index])
                guess = 1 / (1 + math.exp(-max(-30.0, min(30.0, score))))
                error = (guess - labels[index]) * cost[index] / len(batch)
                for name, value in sparse[index]:
                    slope[name] = slope.get(name, 0.0) + error * value
            rate = 0.05 * (1 - step / (steps + 1)) / (1 - 0.9 ** min(step, 200))
            for name, raw in slope.items():
                pull = raw + 1e-4 * weights[name]
                mean[name] = 0.9 * mean[name] + 0.1 * pull
                square[name] = 0.999 * square[name] + 0.001 * pull * pull
                weights[name] -= rate * mean[name] / (math.sqrt(square[name] / (1 - 0.999**step)) + 1e-8)
    return {name: round(weight, 4) for name, weight in weights.items() if abs(weight) >= 0.00005}


@dataclass(frozen=True, slots=True, kw_only=True)
class TermExamples:
    """Words that a question might lean on, and whether its rewrite holds them."""

    groups: Sequence[str]
    rows: Sequence[Features]
    labels: Sequence[int]


def term_examples(questions: Sequence[Example], rewriter: QuestionRewriter) -> TermExamples:
    """Every candidate of every follow-up, with and without the replies; a third of them behind another talk."""
    groups, rows, labels = [], [], []
    wanted = [one for one in questions if one.label and one.rewrite]
    chance = random.Random(SEED)
    for one in wanted:
        asked = Asked.of(one.query)
        added = {word.stem for word in words_of(one.rewrite) if word.is_content} - {w.stem for w in asked.words}
        said = one.said
        if chance.random() < 1 / 3:  # people turn to something else, the corpora's talks do not
            said = numbered([*chance.choice(wanted).said[-4:], *said])
        if added:
            for stem, features in rewriter.candidates(asked, Talk.of(said)).features.items():
                groups.append(one.group)
                rows.append(features)
                labels.append(int(stem in added))
    return TermExamples(groups=groups, rows=rows, labels=labels)


# ── judging ──


def balanced_accuracy(pairs: Sequence[tuple[bool, int]]) -> float:
    """The mean of the shares of positives and of negatives that were told right."""
    right = Counter(label for guess, label in pairs if guess == bool(label))
    total = Counter(label for _, label in pairs)
    return sum(right[label] / total[label] for label in total) / len(total)


def best_f(probabilities: Sequence[float], labels: Sequence[int], *, beta: float) -> tuple[float, float]:
    """The threshold with the highest F-score, and that score; `beta` says how much more finding weighs than sparing."""

    def score(threshold: float) -> float:
        hits = sum(label for p, label in zip(probabilities, labels, strict=True) if p >= threshold)
        chosen = sum(p >= threshold for p in probabilities)
        return (1 + beta**2) * hits / (chosen + beta**2 * sum(labels))

    return max(((t / 20, score(t / 20)) for t in range(2, 16)), key=lambda pair: pair[1])


def out_of_fold(
    groups: Sequence[str], rows: Sequence[Features], labels: Sequence[int], *, passes: int, costs: Costs | None = None
) -> list[float]:
    """For each row the probability that weights learnt without its group give."""
    folds = {group: index % FOLDS for index, group in enumerate(dict.fromkeys(groups))}
    found = [0.0] * len(rows)
    for fold in range(FOLDS):
        inside = [index for index, group in enumerate(groups) if folds[group] != fold]
        own = costs(inside) if costs else None
        weights = learn([rows[i] for i in inside], [labels[i] for i in inside], passes=passes, costs=own)
        for index, group in enumerate(groups):
            if folds[group] == fold:
                found[index] = logistic(weights, rows[index])
    return found


def fair_costs(questions: Sequence[Example], rows: Sequence[Features]) -> Costs:
    """What a mistake costs, so that no corpus and no kind of question outweighs the rest.

    Each kind (`SHARES`) has its share of all costs. Within a kind a corpus counts as the root of its size, those of our
    own making somewhat less.
    """
    kinds = [kind_of(one, features) for one, features in zip(questions, rows, strict=True)]

    def costs(inside: Sequence[int]) -> list[float]:
        sizes = Counter((kinds[i], questions[i].corpus) for i in inside)
        roots = {cell: math.sqrt(size) * (MADE_COSTS if cell[1] == "made" else 1) for cell, size in sizes.items()}
        whole = {kind: sum(root for cell, root in roots.items() if cell[0] == kind) for kind in SHARES}
        share = {cell: SHARES[cell[0]] * root / whole[cell[0]] / sizes[cell] for cell, root in roots.items()}
        return [share[kinds[i], questions[i].corpus] * len(inside) for i in inside]

    return costs


def kind_of(one: Example, features: Features) -> str:
    """Which share of the costs it is of."""
    if one.label:
        return "plain follow-up" if features.get("plain") else "pointing follow-up"
    return "opening" if one.is_real else "rewritten"


def left_out(questions: Sequence[Example], rows: Sequence[Features], costs: Costs) -> dict[str, list[Guess]]:
    """What weights that were learnt without a corpus say of its real questions."""
    labels, found = [one.label for one in questions], {}
    for corpus in CORPORA:
        inside = [i for i, one in enumerate(questions) if one.corpus != corpus]
        weights = learn([rows[i] for i in inside], [labels[i] for i in inside], passes=PASSES, costs=costs(inside))
        outside = [i for i, one in enumerate(questions) if one.corpus == corpus and one.is_real]
        found[corpus] = [(logistic(weights, rows[i]), kind_of(questions[i], rows[i])) for i in outside]
    return found


def rates(guesses: Sequence[Guess], threshold: float) -> dict[str, float]:
    """The share of each kind that was told right."""
    total = Counter(kind for _, kind in guesses)
    right = Counter(kind for p, kind in guesses if (p >= threshold) == kind.endswith("follow-up"))
    return {kind: right[kind] / total[kind] for kind in total}


def fair_accuracy(guesses: Sequence[Guess], threshold: float) -> float:
    """Balanced accuracy, as if half of the follow-ups showed it by no word that points: corpora have few of those."""
    found = rates(guesses, threshold)
    return found["opening"] / 2 + (found["plain follow-up"] + found["pointing follow-up"]) / 4


def best_threshold(guesses: dict[str, list[Guess]]) -> float:
    """Where the mean accuracy over corpora that were left out is highest."""

    def accuracy(threshold: float) -> float:
        return sum(fair_accuracy(pairs, threshold) for pairs in guesses.values()) / len(guesses)

    threshold = max((step / 50 for step in range(5, 46)), key=accuracy)
    for corpus, pairs in guesses.items():
        told = ", ".join(f"{kind} {rate:.3f}" for kind, rate in sorted(rates(pairs, threshold).items()))
        right = balanced_accuracy([(p >= threshold, int(kind.endswith("follow-up"))) for p, kind in pairs])
        print(f"follow-up, {corpus} left out: balanced accuracy {right:.3f} at probability {threshold} ({told})")
    print(f"follow-up, mean, half of the follow-ups plain: {accuracy(threshold):.4f}; at 0.5: {accuracy(0.5):.4f}")
    return threshold


PASSES = 8
TERM_PASSES = 4
SHARES = {"plain follow-up": 0.2, "pointing follow-up": 0.3, "opening": 0.4, "rewritten": 0.1}
MADE_COSTS = 0.6


def train(folder: Path) -> dict[str, object]:
    """Learn everything, and print what cross-validation says of it."""
    rows = read(folder, "qrecc_dev2k") + read(folder, "canard_dev")
    texts = dict.fromkeys(row["query"] for row in rows)
    texts |= dict.fromkeys(one["content"] for row in rows for one in row["history"] if one["content"])
    table = count_stems(texts)
    rarity = rarity_from(table)
    questions = [one for one in question_examples(folder) if one.label or not still_points(one.query, rarity)]
    reader = FollowUpClassifier({}, rarity, load_meanings())
    features = [reader.features(Asked.of(one.query), Talk.of(one.said)) for one in questions]
    costs = fair_costs(questions, features)
    threshold = best_threshold(left_out(questions, features, costs))
    everything = range(len(questions))
    follow_up = learn(features, [one.label for one in questions], passes=PASSES, costs=costs(everything))
    follow_up["bias"] -= round(math.log(threshold / (1 - threshold)), 4)  # so that a half is where it turns
    terms = _learn_terms(questions, follow_up, rarity)
    shift = _learn_shifts(shift_examples(folder, questions), rarity)
    return {
        "made_by": "python scripts/train_understanding.py --data FOLDER",
        "learnt_from": "QReCC (development, 2,000 turns), CANARD (development), TIAGE (training), MT-Bench-101",
        "follow_up": follow_up,
        "terms": terms,
        "shift": shift,
        "rarity": table,
    }


def _learn_terms(questions: Sequence[Example], follow_up: dict[str, float], rarity: Rarity) -> dict[str, object]:
    follow_ups = FollowUpClassifier(follow_up, rarity, load_meanings())
    found = term_examples(questions, QuestionRewriter({}, rarity, follow_ups=follow_ups, threshold=1.0))
    guesses = out_of_fold(found.groups, found.rows, found.labels, passes=TERM_PASSES, costs=_alike)
    threshold, score = best_f(guesses, found.labels, beta=1)
    print(f"terms: F1 {score:.3f} across folds, at probability {threshold}")
    weights = learn(found.rows, found.labels, passes=TERM_PASSES, costs=_alike(found.labels))
    return {"threshold": threshold, "weights": weights}


def _alike(rows: Sequence[int]) -> list[float]:
    return [1.0] * len(rows)


def _learn_shifts(examples: Sequence[Example], rarity: Rarity) -> dict[str, object]:
    rows = [shift_features(Asked.of(one.query), Talk.of(one.said), rarity) for one in examples]
    labels = [one.label for one in examples]
    guesses = out_of_fold([one.group for one in examples], rows, labels, passes=PASSES)
    talk = [i for i, one in enumerate(examples) if one.corpus == "tiage"]
    threshold, f1 = best_f([guesses[i] for i in talk], [labels[i] for i in talk], beta=1)
    print(f"shift, TIAGE: F1 {f1:.3f} across folds, at probability {threshold}")
    rest = [(guesses[i] >= threshold, labels[i]) for i, one in enumerate(examples) if one.corpus != "tiage"]
    print(f"shift, questions: balanced accuracy {balanced_accuracy(rest):.3f} across folds")
    return {"threshold": threshold, "weights": learn(rows, labels, passes=PASSES)}


def main() -> int:
    """Train, then write or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the training data")
    parser.add_argument("--check", action="store_true", help="cross-validate and write nothing")
    chosen = parser.parse_args()
    learnt = train(chosen.data)
    if not chosen.check:
        FILE.write_text(json.dumps(learnt, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        print(f"wrote {FILE.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
