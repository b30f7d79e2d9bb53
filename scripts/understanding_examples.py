"""What `train_understanding.py` learns from: questions in their places, of corpora and of patterns of our own."""

import gzip
import itertools
import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conversation_engine.domains.context.questions.talk import Said
from conversation_engine.domains.context.questions.words import words_of

Row = dict[str, Any]
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
                    for replies in (True, False):
                        before = said_of(messages[:index], replies=replies)
                        found.append((group, messages[index]["content"], before, 1))
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


def numbered(said: Iterable[Said]) -> list[Said]:
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
