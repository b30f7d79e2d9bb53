"""Which older messages have to do with a question: pure scoring over what an index of words has found.

A word counts the more the fewer messages have it. A message counts less the longer it is, and more where its neighbour
has to do with the question, too: an answer seldom repeats the words of what it answers.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from heapq import nsmallest
from typing import Final, NamedTuple

from conversation_engine.domains.context.ports import Resemblance
from conversation_engine.domains.context.types import Candidate, Recalled

MOST_WORDS: Final = 8
MOST_HITS: Final = 128
"""Messages looked at for one word; one that has more is everywhere and tells nothing."""
CANDIDATES_EACH: Final = 4
"""Places that are read for one message that may be recalled."""
LEAST_COVERED: Final = 0.3
"""Share of the question's weight that a message must have to be recalled: a stray word is not enough."""
UNSAID_SHARE: Final = 0.5
"""What a word of the question that nobody has said counts of its weight: it may have been said in another word."""
NEIGHBOUR_SHARE: Final = 0.5
"""What a reply gets of the score of what it replies to; a question of that of its reply half as much."""
LENGTH_SHARE: Final = 0.25
_WORD: Final = re.compile(r"[^\W_]+")
_LONGEST_WORD: Final = 40
_QUESTION_CHARACTERS: Final = 4000
NOTE_HEAD: Final = "[Said earlier, perhaps of use for what follows:]"
NOTE_TOKENS: Final = 12
"""Of the head, about."""
LINE_TOKENS: Final = 3
"""Of a line's beginning, about: who said it."""

STOP_WORDS: Final = frozenset(
    [
        "a",
        "about",
        "after",
        "again",
        "all",
        "also",
        "am",
        "an",
        "and",
        "any",
        "are",
        "as",
        "at",
        "be",
        "because",
        "been",
        "before",
        "being",
        "but",
        "by",
        "can",
        "could",
        "did",
        "do",
        "does",
        "doing",
        "done",
        "don",
        "for",
        "from",
        "get",
        "give",
        "go",
        "got",
        "had",
        "has",
        "have",
        "having",
        "he",
        "her",
        "here",
        "hers",
        "him",
        "his",
        "how",
        "i",
        "if",
        "in",
        "into",
        "is",
        "it",
        "its",
        "just",
        "know",
        "let",
        "like",
        "ll",
        "make",
        "me",
        "mine",
        "more",
        "most",
        "much",
        "my",
        "no",
        "not",
        "now",
        "of",
        "off",
        "ok",
        "on",
        "once",
        "one",
        "only",
        "or",
        "other",
        "our",
        "out",
        "over",
        "own",
        "please",
        "really",
        "remind",
        "s",
        "said",
        "same",
        "say",
        "see",
        "she",
        "should",
        "so",
        "some",
        "such",
        "t",
        "tell",
        "than",
        "thank",
        "thanks",
        "that",
        "the",
        "their",
        "them",
        "then",
        "there",
        "these",
        "they",
        "thing",
        "things",
        "think",
        "this",
        "those",
        "time",
        "to",
        "too",
        "up",
        "us",
        "ve",
        "very",
        "want",
        "was",
        "we",
        "well",
        "were",
        "what",
        "when",
        "where",
        "which",
        "while",
        "who",
        "whom",
        "whose",
        "why",
        "will",
        "with",
        "would",
        "yes",
        "you",
        "your",
        "yours",
    ]
)


Place = tuple[str | None, int]
"""Where a message is: its conversation, `None` for the one that asks, and its number. Hundreds a window."""


class Found(NamedTuple):
    """A message as it was read, for scoring."""

    place: Place
    candidate: Candidate


def words_of(question: str) -> list[str]:
    """The words worth looking for, longest first: no stop words, none twice, `MOST_WORDS` at most."""
    seen = dict.fromkeys(word for word in _WORD.findall(question[:_QUESTION_CHARACTERS].casefold()))
    told = [word for word in seen if 2 <= len(word) <= _LONGEST_WORD and word not in STOP_WORDS]
    return sorted(told, key=len, reverse=True)[:MOST_WORDS]


def weigh(having: Sequence[Sequence[Place]], *, messages: int) -> tuple[dict[Place, float], float]:
    """What each place that has a word weighs, and what all words together weigh.

    `having` are, for each word, the places that have it; `messages` is how many there are to search. Words that are
    everywhere are left out, unless all are.
    """
    telling = [places for places in having if len(places) < MOST_HITS] or having
    scores: dict[Place, float] = {}
    total = 0.0
    for places in telling:
        weight = _rarity(len(places), messages)
        total += weight if places else weight * UNSAID_SHARE
        for place in places:
            scores[place] = scores.get(place, 0.0) + weight
    return scores, total


def best_places(scores: Mapping[Place, float], *, wanted: int) -> list[Place]:
    """The places worth reading where `wanted` messages may be recalled, best first; of equals the newest."""
    return nsmallest(CANDIDATES_EACH * wanted, scores, key=lambda place: (-scores[place], -place[1], place[0] or ""))


def neighbours(places: Iterable[Place]) -> set[Place]:
    """These places and the ones beside them."""
    return {(conversation_id, number + step) for conversation_id, number in places for step in (-1, 0, 1)}


def rank(found: Sequence[Found], scores: Mapping[Place, float], *, total: float) -> list[Recalled]:
    """Messages that have to do with the question, best first. `total` is what all its words weigh."""
    if not found or total <= 0:
        return []
    average = sum(len(one.candidate.text) for one in found) / len(found) or 1.0
    own = {
        one.place: scores.get(one.place, 0.0) / (1 - LENGTH_SHARE + LENGTH_SHARE * len(one.candidate.text) / average)
        for one in found
    }
    by_place = {one.place: one.candidate for one in found}

    def of_the_other(place: Place, candidate: Candidate, weights: Mapping[Place, float]) -> float:
        """What a neighbour weighs, if somebody else said it: nobody replies to themselves."""
        neighbour = by_place.get(place)
        return weights.get(place, 0.0) if neighbour is not None and neighbour.role != candidate.role else 0.0

    ranked = []
    for place, candidate in by_place.items():
        conversation_id, number = place
        asked, answered = (conversation_id, number - 1), (conversation_id, number + 1)
        beside = max(of_the_other(asked, candidate, own), of_the_other(answered, candidate, own) / 2)
        covered = max(scores.get(place, 0.0), of_the_other(asked, candidate, scores)) / total
        if covered >= LEAST_COVERED:
            ranked.append((own[place] + beside * NEIGHBOUR_SHARE, place))
    ranked.sort(key=lambda one: (-one[0], -one[1][1], one[1][0] or ""))
    return [Recalled(by_place[place], score, place[0]) for score, place in ranked]


async def nearest(resemblance: Resemblance, question: str, ranked: Sequence[Recalled]) -> list[Recalled]:
    """The same messages, best first by words and by meaning together: half of a score comes from each."""
    nearness = await resemblance.scores(question=question, texts=[one.candidate.text for one in ranked])
    best = max(one.score for one in ranked) or 1.0
    both = [one._replace(score=(one.score / best + near) / 2) for one, near in zip(ranked, nearness, strict=True)]
    return sorted(both, key=lambda one: -one.score)


def note_of(
    ranked: Sequence[Recalled], *, most: int, room: int, count: Callable[[str], int]
) -> tuple[list[Recalled], tuple[str, int] | None]:
    """The best that fit into `room` tokens, in the order they were said, and the note that shows them.

    Tokens are counted once, or a few times where the estimate by the messages' own tokens was too low.
    """
    chosen: list[Recalled] = []
    left = room - NOTE_TOKENS
    for one in ranked:
        tokens = one.candidate.tokens + LINE_TOKENS
        if len(chosen) < most and tokens <= left:
            chosen.append(one)
            left -= tokens
    while chosen:
        said = sorted(chosen, key=lambda one: (one.conversation_id or "~", one.candidate.sequence_number))
        text = _note(said)
        tokens = count(text)
        if tokens <= room:
            return said, (text, tokens)
        chosen.pop()
    return [], None


def _note(recalled: Sequence[Recalled]) -> str:
    lines = [
        f"{one.candidate.role}{' (in another conversation)' if one.conversation_id else ''}: {one.candidate.text}"
        for one in recalled
    ]
    return "\n".join([NOTE_HEAD, *lines])


def _rarity(having: int, messages: int) -> float:
    return math.log(1 + (messages - having + 0.5) / (having + 0.5)) if having <= messages else 0.0
