"""Learns which questions are follow-ups, which terms they lean on, and where a talk turns to something else.

    python scripts/train_understanding.py --data FOLDER [--check]

writes `understanding.json` of domains/context/questions; `--check` prints what cross-validation says instead.
FOLDER holds `qrecc_dev2k.jsonl`, `canard_dev.jsonl`, `switch_negatives.jsonl` (only its rows made from QReCC are read)
and `tiage_train.jsonl` in `followup/`, and `chats/mtbench101.jsonl.gz`. Nothing that figures are reported on is read.
Standard library only; a minute of one processor, five with `--check`.
"""

import argparse
import gzip
import itertools
import json
import math
import random
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conversation_engine.domains.context.questions.follow_up import Features, FollowUpClassifier, features_of, logistic
from conversation_engine.domains.context.questions.rewriting import QuestionRewriter
from conversation_engine.domains.context.questions.talk import Asked, Said, Talk
from conversation_engine.domains.context.questions.topics import shift_features
from conversation_engine.domains.context.questions.weights import FILE, rarity_from
from conversation_engine.domains.context.questions.words import Rarity, words_of

Row = dict[str, Any]
Sparse = list[tuple[str, float]]
FEWEST_TEXTS = 3
"""A stem that fewer texts hold is as good as unseen."""
FOLDS = 4
SEED = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A question in its place, and the answer."""

    group: str
    """The conversation that the question comes from: never on both sides of a fold."""
    corpus: str
    is_real: bool
    """Whether somebody asked just that; false for a rewritten question put into another conversation."""
    query: str
    said: Sequence[Said]
    label: int
    rewrite: str = ""


def read(folder: Path, name: str) -> list[Row]:
    """The rows of one file."""
    with (folder / "followup" / f"{name}.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def said_of(history: Sequence[Row], *, replies: bool = True) -> list[Said]:
    """A row's history."""
    kept = [one for one in history if one["content"] and (replies or one["role"] == "user")]
    return [Said(number, one["role"], one["content"]) for number, one in enumerate(kept, start=1)]


def corpus_of(row: Row) -> str:
    """`nq`, `quac` (both of QReCC) or `canard`."""
    return "canard" if row["source"].startswith("canard") else str(row["source"]).rsplit("/", 1)[-1]


def is_strong(row: Row) -> bool:
    """Whether its rewrite needed something that was said before."""
    return bool(row["history"] and row["context_tokens_added"])


def read_chats(folder: Path) -> list[Row]:
    """The talks of MT-Bench-101."""
    with gzip.open(folder / "chats" / "mtbench101.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


# ── examples ──

MADE = 1500
SLOTS = {
    "r": "types symptoms causes effects benefits risks origins uses parts advantages disadvantages stages rules "
    "ingredients members features dangers costs",
    "s": "history purpose price size origin meaning role cause population cost definition impact future function speed",
    "a": "dangerous expensive healthy common old rare legal safe popular difficult useful real good bad big",
    "v": "work spread grow start end begin develop change help happen",
}
WHOLE = """What is {x}?|What is a {x}?|What are {x}?|How does {x} work?|How do {x} work?|Tell me about {x}.|
Describe {x}.|Explain {x}.|Why is {x} important?|What causes {x}?|What are the {r} of {x}?|What is the {s} of {x}?|
Is {x} {a}?|Are {x} {a}?|Who invented {x}?|What does a {x} do?|How is {x} made?|How did {x} {v}?|
What are the main {r} of {x}?|Where does {x} come from?|When was {x} discovered?|How can I learn about {x}?|
Why do {x} {v}?|How much does a {x} cost?|
What is the best {x}?|Tell me about the {s} of {x}.|Why is {x} so {a}?|Can {x} be {a}?""".replace("\n", "").split("|")
LEANING = """What is it?|How does it work?|How do they work?|Tell me about its {s}.|What are the {r}?|What are its {r}?|
Why is that important?|Is it {a}?|Are they {a}?|Who invented it?|What about {y}?|What causes it?|What is the {s}?|
How much does it cost?|Are there other {r}?|What are the main {r}?|How is it made?|How did it {v}?|
Where does it come from?|When was it discovered?|Why do they {v}?|Why is it so {a}?|What is its {s}?|
Tell me about the {s}.|How does it compare to {y}?|Is it the same as {y}?|What other {r} are there?|
Which one is the most {a}?|How are they different from {y}?|Can {y} have it too?|What {r} does it have?|
What is the {s} of these?|Describe the {r}.|Do they also {v}?|What happens when it starts to {v}?|Is there a cure?|
What is the difference between the two?|Why?|And the {r}?|Are the {r} {a}?|How are the {r} made?|
Who discovered the {r}?|How does {y} use it?|Why do the {y} call it that?""".replace("\n", "").split("|")


def question_examples(folder: Path) -> list[Example]:
    """Follow-ups as they were asked; questions that stand alone, put behind another conversation's history."""
    rows = read(folder, "qrecc_dev2k") + read(folder, "canard_dev")
    strong = [row for row in rows if is_strong(row)]
    openings = {row["query"]: row for row in rows if not row["history"]}
    chance = random.Random(SEED)

    def elsewhere(row: Row) -> list[Row]:
        while (other := chance.choice(strong))["conversation_id"] == row["conversation_id"]:
            pass
        history: list[Row] = other["history"]
        return history

    found: list[tuple[Row, str, list[Row], int, bool]] = []
    found += [(row, row["query"], row["history"], 1, True) for row in strong]
    found += [(row, row["rewrite"], elsewhere(row), 0, False) for row in strong]
    found += [
        (row, row["rewrite"], elsewhere(row), 0, True)
        for row in rows
        if not row["history"] and corpus_of(row) == "canard"
    ]
    found += [
        (openings[row["query"]], row["query"], row["history"], 0, True)
        for row in read(folder, "switch_negatives")
        if "qrecc" in row["source"]
    ]
    return (
        [example for row, *one in found for example in _variants(row, *one)]
        + chat_examples(folder)
        + made_examples(folder)
    )


def chat_examples(folder: Path) -> list[Example]:
    """MT-Bench-101: its questions of anaphora, and first questions of all kinds behind other talks."""
    talks = read_chats(folder)
    bare = [row["history"] for row in read(folder, "qrecc_dev2k") if is_strong(row)]
    chance = random.Random(SEED)
    found: list[tuple[str, str, list[Said], int]] = []
    for talk in talks:
        messages, group = talk["messages"], talk["conversation_id"]
        if talk["task"] == "AR":
            for index in range(2, len(messages), 2):
                if _is_short(messages[index]["content"]):
                    found.append((group, messages[index]["content"], said_of(messages[:index]), 1))
        first = messages[0]["content"]
        if _is_short(first) and talk["task"] not in ("GR", "MR"):  # sums and riddles are no openings
            other = chance.choice([one for one in talks[:50] + talks[-50:] if one is not talk])["messages"]
            found.append((group, first, said_of(other[: chance.randrange(2, len(other) + 1, 2)]), 0))
            found.append((group, first, said_of(chance.choice(bare), replies=False), 0))
    return [
        Example(group=group, corpus="mtbench", is_real=True, query=text, said=said, label=label)
        for group, query, whole, label in found
        for text, said in (
            (query, whole),
            (query.lower().rstrip("?. "), [one._replace(text=one.text.lower()) for one in whole]),
        )
    ]


def _is_short(text: str) -> bool:
    return len(text.split()) <= 30


def made_examples(folder: Path) -> list[Example]:
    """Plain questions about a thing, with the thing named and without: what people ask, and few corpora hold."""
    things = sorted({thing for talk in read_chats(folder) for thing in _things(talk)})
    elsewhere = [said_of(row["history"], replies=False) for row in read(folder, "qrecc_dev2k") if row["history"]]
    chance = random.Random(SEED)

    def ask(patterns: Sequence[str], thing: str) -> str:
        words = {slot: chance.choice(choices.split()) for slot, choices in SLOTS.items()}
        text = chance.choice(patterns).format(x=thing, y=chance.choice(things), **words)
        return text[0].upper() + text[1:]

    def stretch(thing: str, *, most: int) -> list[str]:
        return [ask(WHOLE, thing), *(ask(LEANING, thing) for _ in range(chance.randrange(most + 1)))]

    found = []
    for number in range(MADE):
        thing, group = chance.choice(things), f"made-{number}"
        asked = stretch(thing, most=5)
        if chance.random() < 0.5:  # what a question leans on is not always what the talk began with
            asked = stretch(chance.choice(things), most=3) + asked
        talk = [Said(place, "user", text) for place, text in enumerate(asked, start=1)]
        behind = talk if chance.random() < 0.5 else chance.choice(elsewhere)
        leaning, whole = ask(LEANING, thing), ask(WHOLE, chance.choice(things))
        for query, said, label in ((leaning, talk, 1), (whole, behind, 0)):
            example = Example(
                group=group,
                corpus="made",
                is_real=False,
                query=query,
                said=said,
                label=label,
                rewrite=f"{query} {thing}" if label else "",
            )
            found.append(example)
    return found


def _things(talk: Row) -> Iterable[str]:
    """What people in a talk put an article or a preposition before."""
    for message in talk["messages"]:
        words = words_of(message["content"]) if message["role"] == "user" else []
        for index, word in enumerate(words):
            if word.lower in ("a", "an", "the", "of", "about", "for", "with"):
                run = list(itertools.takewhile(lambda one: one.is_content, words[index + 1 : index + 4]))
                name = " ".join(one.text for one in run)
                if len(name) > 3:
                    yield name


def _variants(row: Row, query: str, history: list[Row], *answer: Any) -> Iterable[Example]:
    """The same with replies, without them, and in lower case: people type all three ways."""
    label, is_real = answer
    whole, bare = said_of(history), said_of(history, replies=False)
    lower = [one._replace(text=one.text.lower()) for one in whole]
    for text, said in ((query, whole), (query, bare), (query.lower().rstrip("?. "), lower)):
        yield Example(
            group=row["conversation_id"],
            corpus=corpus_of(row),
            is_real=is_real,
            query=text,
            said=said,
            label=label,
            rewrite=row["rewrite"],
        )


def _numbered(said: Iterable[Said]) -> list[Said]:
    return [one._replace(sequence_number=number) for number, one in enumerate(said, start=1)]


def shift_examples(folder: Path, questions: Sequence[Example]) -> list[Example]:
    """Turns of small talk, labelled by people, and the questions above: a new topic is a shift."""
    found = []
    for row in read(folder, "tiage_train"):
        said = [Said(number, "user", turn["text"]) for number, turn in enumerate(row["turns"], start=1)]
        for index, turn in enumerate(row["turns"]):
            if turn["topic_shift"] is not None:
                found.append(
                    Example(
                        group=row["conversation_id"],
                        corpus="tiage",
                        is_real=True,
                        query=turn["text"],
                        said=said[:index],
                        label=int(turn["topic_shift"]),
                    )
                )
    turned = [
        Example(group=one.group, corpus=one.corpus, is_real=True, query=one.query, said=one.said, label=1 - one.label)
        for one in questions
        if one.is_real and one.corpus != "mtbench"
    ]
    return found + random.Random(SEED).sample(turned, len(found))


def still_points(query: str, rarity: Rarity) -> bool:
    """Whether a question that is said to stand alone does not: people leave a pronoun when they rewrite, too."""
    found = features_of(Asked.of(query), Talk([]), rarity)
    return bool(found.get("personal.before_name") or found.get("demonstrative.points"))


# ── learning ──


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
    rows: Sequence[Features], labels: Sequence[int], *, passes: int, is_balanced: bool = True
) -> dict[str, float]:
    """Logistic regression with a light L2 penalty by Adam, one example at a time in groups of 64."""
    sparse: list[Sparse] = [[("bias", 1.0), *row.items()] for row in rows]
    share = sum(labels) / len(labels)
    cost = (0.5 / (1 - share), 0.5 / share) if is_balanced else (1.0, 1.0)
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
                error = (guess - labels[index]) * cost[labels[index]] / len(batch)
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
            said = _numbered([*chance.choice(wanted).said[-4:], *said])
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
    groups: Sequence[str], rows: Sequence[Features], labels: Sequence[int], *, passes: int, is_balanced: bool = True
) -> list[float]:
    """For each row the probability that weights learnt without its group give."""
    folds = {group: index % FOLDS for index, group in enumerate(dict.fromkeys(groups))}
    found = [0.0] * len(rows)
    for fold in range(FOLDS):
        inside = [index for index, group in enumerate(groups) if folds[group] != fold]
        weights = learn([rows[i] for i in inside], [labels[i] for i in inside], passes=passes, is_balanced=is_balanced)
        for index, group in enumerate(groups):
            if folds[group] == fold:
                found[index] = logistic(weights, rows[index])
    return found


def left_out(questions: Sequence[Example], rows: Sequence[Features]) -> dict[str, list[tuple[float, int]]]:
    """For the real questions of each corpus what weights say that were learnt without it, and the truth."""
    labels, found = [one.label for one in questions], {}
    for corpus in ("nq", "quac", "canard", "mtbench"):
        inside = [i for i, one in enumerate(questions) if one.corpus != corpus]
        weights = learn([rows[i] for i in inside], [labels[i] for i in inside], passes=PASSES)
        outside = [i for i, one in enumerate(questions) if one.corpus == corpus and one.is_real]
        found[corpus] = [(logistic(weights, rows[i]), labels[i]) for i in outside]
    return found


def best_threshold(guesses: dict[str, list[tuple[float, int]]]) -> float:
    """Where the mean balanced accuracy over corpora that were left out is highest."""

    def accuracy(threshold: float) -> float:
        return sum(balanced_accuracy([(p >= threshold, label) for p, label in pairs]) for pairs in guesses.values())

    threshold = max((step / 50 for step in range(5, 46)), key=accuracy)
    for corpus, pairs in guesses.items():
        right = balanced_accuracy([(p >= threshold, label) for p, label in pairs])
        print(f"follow-up, {corpus} left out: balanced accuracy {right:.3f} at probability {threshold}")
    return threshold


def check_follow_ups(questions: Sequence[Example], rows: Sequence[Features], threshold: float) -> None:
    """By cross-validation over conversations."""
    labels = [one.label for one in questions]
    guesses = out_of_fold([one.group for one in questions], rows, labels, passes=PASSES)
    for corpus in ("nq", "quac", "canard", "mtbench"):
        outside = [i for i, one in enumerate(questions) if one.corpus == corpus and one.is_real]
        right = balanced_accuracy([(guesses[i] >= threshold, labels[i]) for i in outside])
        print(f"follow-up, {corpus}: balanced accuracy {right:.3f} across folds")


PASSES = 8
TERM_PASSES = 4


def train(folder: Path, *, is_check: bool) -> dict[str, object]:
    """Learn everything; with `is_check` print what cross-validation says of it."""
    rows = read(folder, "qrecc_dev2k") + read(folder, "canard_dev")
    texts = dict.fromkeys(row["query"] for row in rows)
    texts |= dict.fromkeys(one["content"] for row in rows for one in row["history"] if one["content"])
    table = count_stems(texts)
    rarity = rarity_from(table)
    questions = [one for one in question_examples(folder) if one.label or not still_points(one.query, rarity)]
    features = [features_of(Asked.of(one.query), Talk.of(one.said), rarity) for one in questions]
    threshold = best_threshold(left_out(questions, features))
    if is_check:
        check_follow_ups(questions, features, threshold)
    follow_up = learn(features, [one.label for one in questions], passes=PASSES)
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
    follow_ups = FollowUpClassifier(follow_up, rarity)
    found = term_examples(questions, QuestionRewriter({}, rarity, follow_ups=follow_ups, threshold=1.0))
    guesses = out_of_fold(found.groups, found.rows, found.labels, passes=TERM_PASSES, is_balanced=False)
    threshold, score = best_f(guesses, found.labels, beta=1)
    print(f"terms: F1 {score:.3f} across folds, at probability {threshold}")
    weights = learn(found.rows, found.labels, passes=TERM_PASSES, is_balanced=False)
    return {"threshold": threshold, "weights": weights}


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
    learnt = train(chosen.data, is_check=chosen.check)
    if not chosen.check:
        FILE.write_text(json.dumps(learnt, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        print(f"wrote {FILE.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
