"""Whether a question leans on what was said before it.

A logistic regression over features that are written out here; its weights are learnt by
`scripts/train_understanding.py`. No model is called: about a millisecond for a question.
"""

from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from math import exp, log1p
from typing import Final

from conversation_engine.domains.context.questions.meaning import Meanings
from conversation_engine.domains.context.questions.nearness import Nearness
from conversation_engine.domains.context.questions.talk import Asked, Talk
from conversation_engine.domains.context.questions.words import (
    DEMONSTRATIVE,
    FUNCTION_WORDS,
    PERSONAL,
    Rarity,
    Word,
    listed,
)

Features = dict[str, float]
"""By name; one that is not there is 0."""

_MORE: Final = listed("other others another else more also too besides instead same similar")
_ONE: Final = listed("one ones former latter")
_OPENINGS: Final = listed(
    """what who when where why how which is are was were did do does can could tell describe explain give"""
)
_JOINING: Final = listed("and but or so then also because ok okay")
_DANGLING: Final = listed("to of in on for with from about at by do did happen happened")
_BEFORE_THAT: Final = listed(
    """is was does did do of about to for after with from at in on like than by would will why how"""
)
"""Before `that`, where it points rather than joins."""
_COMPLEMENT: Final = listed("of in for between on to at from")
_BEING: Final = listed("is are was were be been")
_BE: Final = listed("is are was were be what's who's")
_AUXILIARY: Final = _BEING | listed("do does did can could will would should has have had may might")
_PREPOSITION: Final = listed("of in for about with between from to on by as into at")
_POSSESSIVE: Final = listed("his her its their my your our")
_SPEAKER: Final = listed("i my me we our i'm")
_EASY: Final = listed(
    """possible safe legal illegal easy hard difficult good bad better best worth healthy dangerous necessary normal
    common important useful wise rude okay ok true likely cheaper wrong take takes took cost costs mean means help"""
)
"""Between an `it` that means nothing and what follows: `is it safe to`, `does it take to`."""
_POINTING: Final = (
    "personal.before_name",
    "demonstrative.points",
    "more",
    "one",
    "there",
    "about",
    "joining",
    "dangling",
    "the.alone",
)
"""Features by which a question shows that it leans on something."""
_BARE: Final = ("bare.after_be", "bare.subject", "bare.after_auxiliary", "bare.complement")
_NAME_RARITY: Final = 0.55
"""From here on a word is likely to name something."""


class FollowUpClassifier:
    """Says how likely a question leans on what was said before it."""

    def __init__(
        self,
        weights: Mapping[str, float],
        rarity: Rarity,
        meanings: Meanings,
        *,
        sensing: Mapping[str, float] | None = None,
    ) -> None:
        """`sensing`: the weights for features that an embedding model is heard for, too."""
        self._weights = weights
        self._sensing = sensing
        self._rarity = rarity
        self._nearness = Nearness(meanings)

    def probability(self, asked: Asked, talk: Talk, *, sense: Features | None = None) -> float:
        """From 0 to 1; 0 when nobody has said anything before.

        `sense`: what an embedding model says, where one was asked.
        """
        if not talk.heard:
            return 0.0
        if sense and self._sensing:
            return logistic(self._sensing, self.features(asked, talk) | sense)
        return logistic(self._weights, self.features(asked, talk))

    def features(self, asked: Asked, talk: Talk) -> Features:
        """What the verdict is made from: how the question is put, and how near it is to what was said."""
        return features_of(asked, talk, self._rarity) | self._nearness.features(asked, talk)


def logistic(weights: Mapping[str, float], features: Features) -> float:
    """The probability that a logistic regression with `weights` (`bias` among them) gives."""
    score = weights["bias"] + sum(weights.get(name, 0.0) * value for name, value in features.items())
    return 1 / (1 + exp(-max(-30.0, min(30.0, score))))


def features_of(asked: Asked, talk: Talk, rarity: Rarity) -> Features:
    """Everything that is known of a question in its place."""
    rarities = [rarity(stem) for stem in asked.stems]
    found = (
        _shape(asked, rarities)
        | _pointing(asked, rarity)
        | _missing(asked)
        | _phrases(asked)
        | _closeness(asked.stems, rarities, talk)
        | _novelty(asked.stems, rarities, talk)
        | {"replies": float(bool(talk.replies))}
    )
    return found | _together(found)


def _shape(asked: Asked, rarities: Sequence[float]) -> Features:
    """How long it is, what it opens with, how much its words tell."""
    words, count = asked.words, len(asked.stems)
    by_rarity = [*sorted(rarities, reverse=True), 0.0, 0.0, 0.0]
    names = sum(word.is_capitalised for word in words[1:])
    opening = words[0].lower if words else ""
    return {
        "length": log1p(len(words)) / 3,
        "length.to_3": float(len(words) <= 3),
        "length.to_5": float(len(words) <= 5),
        "length.to_2": float(len(words) <= 2),
        "content": min(count, 8) / 8,
        f"content.{count}": float(count <= 3),
        "rarest": by_rarity[0],
        "rarest.2": by_rarity[1],
        "rarest.3": by_rarity[2],
        "rarity.sum": min(sum(rarities), 6.0) / 6,
        "rarity.mean": sum(rarities) / count if count else 0.0,
        "names": min(names, 3) / 3,
        "names.any": float(names > 0),
        "digits": float(any(word.lower[0].isdigit() for word in words)),
        f"opening.{opening if opening in _OPENINGS else 'other'}": 1.0,
    }


def _pointing(asked: Asked, rarity: Rarity) -> Features:
    """The words that point at something, and whether the question itself says at what."""
    words = [word.lower for word in asked.words]
    last = len(words) - 1
    personal = [i for i, word in enumerate(words) if word in PERSONAL and not _is_empty(words, i)]
    demonstrative = [i for i, word in enumerate(words) if word in DEMONSTRATIVE]
    named = next((i for i, word in enumerate(asked.words) if _is_name(i, word, rarity)), len(words))
    found = {
        "personal": bool(personal),
        "personal.before_name": bool(personal) and personal[0] < named,
        "personal.after_name": bool(personal) and personal[0] > named,
        "personal.human": any(words[i] in ("he", "she", "him", "her", "his") for i in personal),
        "personal.it": any(words[i] in ("it", "its") for i in personal),
        "personal.they": any(words[i] in ("they", "them", "their") for i in personal),
        "demonstrative": bool(demonstrative),
        "demonstrative.last": bool(demonstrative) and demonstrative[-1] == last,
        "demonstrative.late_that": "that" in words and words.index("that") > 1,
        "demonstrative.points": any(_points(words, i) for i in demonstrative),
        "more": any(word in _MORE for word in words),
        "one": any(word in _ONE for word in words[1:]),
        "there": "there" in words[1:] and words[words.index("there", 1) - 1] not in _BEING and words[0] != "there",
    }
    return {name: 1.0 for name, is_so in found.items() if is_so}


def _missing(asked: Asked) -> Features:
    """What a whole question would have and this one does not."""
    words = [word.lower for word in asked.words]
    found = {
        "about": words[:2] in (["what", "about"], ["how", "about"]),
        "joining": bool(words) and words[0] in _JOINING,
        "dangling": bool(words) and words[-1] in _DANGLING,
        "the": "the" in words,
        "the.alone": any(word == "the" and _is_alone(words, i + 1) for i, word in enumerate(words)),
        "complement": any(word in ("of", "in", "for") for word in words[1:-1]),
    }
    return {name: 1.0 for name, is_so in found.items() if is_so}


def _phrases(asked: Asked) -> Features:
    """Where its nouns stand, and what stands before them: `the symptoms` lean, `symptoms of a cold` do not."""
    words = [word.lower for word in asked.words]
    runs = _runs(words)
    found = {
        "bare.after_be": len(runs) > 0 and runs[0][0] in (1, 2) and words[runs[0][0] - 1] in _BE,
        "bare.subject": bool(runs) and runs[0][0] == 1 and words[0] in _AUXILIARY,
        "bare.after_auxiliary": any(start > 1 and words[start - 1] in _AUXILIARY for start, _ in runs),
        "bare.complement": any(start > 0 and words[start - 1] in _PREPOSITION for start, _ in runs),
        "a": "a" in words or "an" in words,
        "a.complement": _follow(words, _PREPOSITION, ("a", "an")),
        "the.complement": _follow(words, _PREPOSITION, ("the",)),
        "speaker": any(word in _SPEAKER for word in words),
        "addressee": "you" in words or "your" in words,
    }
    last = runs[-1] if runs else (0, 0)
    return {name: 1.0 for name, is_so in found.items() if is_so} | {
        f"runs.{min(len(runs), 3)}": 1.0,
        "runs.longest": min(max((end - start for start, end in runs), default=0), 4) / 4,
        f"last.{_article(words, last[0])}": float(bool(runs)),
        "last.one_word": float(last[1] - last[0] == 1),
        "last.tail": float(bool(runs) and last[1] < len(words)),
    }


def _together(found: Features) -> Features:
    """What matters differently in a question that points at something than in one that does not."""
    kind = "pointing" if any(found.get(name) for name in _POINTING) else "plain"
    pronoun = float(bool(found.get("personal") or found.get("demonstrative.points")))
    bare = float(any(found.get(name) for name in _BARE))
    return {
        kind: 1.0,
        f"{kind}.content.{min(round(found['content'] * 8), 5)}": 1.0,
        f"{kind}.new": found.get("new.rarest", 0.0),
        f"{kind}.shared": found.get("shared.everything", 0.0),
        f"{kind}.names": found["names.any"],
        "pronoun": pronoun,
        "pronoun.new": pronoun * found.get("new.rarest", 0.0),
        "pronoun.content": pronoun * found["content"],
        "a.short": found.get("a", 0.0) * found["length.to_5"],
        "bare.short": bare * found["length.to_5"],
    }


def _runs(words: Sequence[str]) -> list[tuple[int, int]]:
    """Where words that say something stand side by side."""
    runs: list[tuple[int, int]] = []
    for index, word in enumerate(words):
        if word in FUNCTION_WORDS:
            continue
        if runs and runs[-1][1] == index:
            runs[-1] = (runs[-1][0], index + 1)
        else:
            runs.append((index, index + 1))
    return runs


def _article(words: Sequence[str], start: int) -> str:
    """What kind of word stands before a noun."""
    before = words[start - 1] if start else ""
    kinds = (("the", ("the",)), ("a", ("a", "an")), ("preposition", _PREPOSITION), ("be", _BEING))
    found = next((kind for kind, known in kinds if before in known), None)
    return found or ("possessive" if before in _POSSESSIVE else "other")


def _follow(words: Sequence[str], first: Collection[str], second: Collection[str]) -> bool:
    return any(one in first and next_one in second for one, next_one in pairwise(words))


def _closeness(stems: Sequence[str], rarities: Sequence[float], talk: Talk) -> Features:
    """How much of the question was said before, and where."""
    total = sum(rarities) or 1.0
    found: Features = {}
    for name, said in (
        ("newest_question", talk.newest_question),
        ("questions", talk.all_questions),
        ("newest_reply", talk.newest_reply),
        ("everything", talk.everything),
    ):
        shared = [rarity for stem, rarity in zip(stems, rarities, strict=True) if stem in said]
        if shared:
            found[f"shared.{name}"] = sum(shared) / total
            found[f"shared.{name}.rarest"] = max(shared)
    return found


def _novelty(stems: Sequence[str], rarities: Sequence[float], talk: Talk) -> Features:
    """What the question brings that nobody has mentioned."""
    new = sorted(
        (rarity for stem, rarity in zip(stems, rarities, strict=True) if stem not in talk.everything), reverse=True
    )
    if not new:
        return {"new.none": 1.0}
    rarest = new[0]
    found = {"new.rarest": rarest, "new.rarest.squared": rarest * rarest, "new.sum": min(sum(new), 6.0) / 6}
    if len(new) > 1:
        found["new.rarest.2"] = new[1]
    return found


def _is_name(index: int, word: Word, rarity: Rarity) -> bool:
    if index > 0 and word.is_capitalised:
        return True
    return word.lower not in FUNCTION_WORDS and rarity(word.stem) > _NAME_RARITY


def _points(words: Sequence[str], index: int) -> bool:
    if words[index] != "that" or index == len(words) - 1:
        return True
    return index > 0 and words[index - 1] in _BEFORE_THAT


def _is_empty(words: Sequence[str], index: int) -> bool:
    """Whether an `it` stands for what follows: `is it safe to travel`."""
    following = words[index + 1 : index + 3]
    return (
        words[index] == "it" and len(following) == 2 and following[0] in _EASY and following[1] in ("to", "that", "if")
    )


def _is_alone(words: Sequence[str], start: int) -> bool:
    """Whether the noun that begins at `start` is not said to be the one of something."""
    end = start
    while end < len(words) and words[end] not in FUNCTION_WORDS:
        end += 1
    return end > start and (end == len(words) or words[end] not in _COMPLEMENT)
