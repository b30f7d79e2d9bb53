"""A follow-up made into a question that stands alone: its words, and the terms that it leans on.

Which of the terms said before these are is learnt (`scripts/train_understanding.py`), like the verdict that it is a
follow-up. No model is called.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log1p
from typing import Final

from conversation_engine.domains.context.questions.follow_up import Features, FollowUpClassifier, features_of, logistic
from conversation_engine.domains.context.questions.talk import Asked, Heard, Talk
from conversation_engine.domains.context.questions.words import Rarity, Word

MOST_TERMS: Final = 8
"""A question that leans on more than that is not helped by a list of words."""
_SURE: Final = 0.1
_FIRST_WORDS: Final = 12
_SHORT_REPLY_WORDS: Final = 8
_PLACES: Final = ("name", "anchor", "newest_question", "newest_reply", "first_question")
_GAPS: Final = (
    "personal.human",
    "personal.it",
    "personal.they",
    "demonstrative.points",
    "more",
    "one",
    "the.alone",
    "content.0",
    "content.1",
)
"""Features of the question that say what kind of thing it leaves out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What may be added to a question: features by stem, and each stem as it was written."""

    features: Mapping[str, Features]
    written: Mapping[str, str]


class QuestionRewriter:
    """Adds to a follow-up what it leans on."""

    def __init__(
        self,
        weights: Mapping[str, float],
        rarity: Rarity,
        *,
        follow_ups: FollowUpClassifier,
        threshold: float,
    ) -> None:
        """Terms with a probability of `threshold` or more are added."""
        self._weights = weights
        self._rarity = rarity
        self._follow_ups = follow_ups
        self._threshold = threshold

    def terms_for(self, asked: Asked, talk: Talk) -> list[str]:
        """The words said before that the question leans on, in the order in which they were said."""
        terms = self.candidates(asked, talk)
        probabilities = {stem: logistic(self._weights, features) for stem, features in terms.features.items()}
        likely = [stem for stem, probability in probabilities.items() if probability >= self._threshold]
        best = sorted(likely, key=lambda stem: -probabilities[stem])[:MOST_TERMS]
        return [terms.written[stem] for stem in likely if stem in best]

    def standalone(self, asked: Asked, talk: Talk) -> str:
        """The question with those words behind it, in brackets; unchanged where there are none."""
        terms = self.terms_for(asked, talk)
        return f"{asked.text} ({' '.join(terms)})" if terms else asked.text

    def anchor(self, talk: Talk, *, most: float = 0.5) -> Heard | None:
        """The newest earlier question that stands alone: what the talk is about; else the oldest that is read.

        It leans on others with a probability below `most`.
        """
        for index in range(len(talk.heard) - 1, -1, -1):
            one = talk.heard[index]
            if one.is_question and self._leaning(talk, index) < most:
                return one
        return talk.questions[0] if talk.questions else None

    def _leaning(self, talk: Talk, index: int) -> float:
        if index not in talk.leaning:
            asked = Asked.of(talk.heard[index].said.text)
            talk.leaning[index] = self._follow_ups.probability(asked, talk.before(index))
        return talk.leaning[index]

    def candidates(self, asked: Asked, talk: Talk) -> Terms:
        """Every word of the talk that says something and that the question lacks."""
        own = {word.stem for word in asked.words}
        features: dict[str, Features] = {}
        written: dict[str, str] = {}
        places = _Places(talk, self.anchor(talk), self.anchor(talk, most=_SURE))
        for one in talk.heard:
            for index, word in enumerate(one.words):
                if word.is_content and len(word.lower) > 1 and word.stem not in own:
                    written.setdefault(word.stem, word.text)
                    _note(features.setdefault(word.stem, {}), places.of(one, index), one.words, index)
        asked_features = features_of(asked, talk, self._rarity)
        gaps = [gap for gap in _GAPS if asked_features.get(gap)]
        for stem, found in features.items():
            self._complete(found, stem, gaps=gaps, count=len(features))
        return Terms(features=features, written=written)

    def _complete(self, found: Features, stem: str, *, gaps: Sequence[str], count: int) -> None:
        rarity = self._rarity(stem)
        found["rarity"], found["rarity.squared"] = rarity, rarity * rarity
        found["candidates"] = log1p(count) / 4
        found["questions"] = min(found.get("questions", 0.0), 1.5)
        found["older_replies"] = min(found.get("older_replies", 0.0), 1.5)
        if not found["questions"]:
            found["reply_only"] = 1.0
        for place in (*_PLACES[1:], "questions", "before_turn"):
            if value := found.get(place):
                found[f"{place} rarity"] = value * rarity
                found[f"{place} name"] = value * found.get("name", 0.0)
        for gap in gaps:
            for place in _PLACES:
                if found.get(place):
                    found[f"{gap} {place}"] = 1.0


class _Places:
    """Where in a talk a message stands."""

    def __init__(self, talk: Talk, anchor: Heard | None, sure_anchor: Heard | None) -> None:
        questions = talk.questions
        self._share = 1 / len(questions) if questions else 0.0
        self._anchor = anchor
        self._turned_at = sure_anchor.said.sequence_number if sure_anchor else 0
        self._newest = questions[-1] if questions else None
        self._second = questions[-2] if len(questions) > 1 else None
        self._first = questions[0] if questions else None
        self._reply = talk.heard[-1] if talk.heard and not talk.heard[-1].is_question else None

    def of(self, one: Heard, index: int) -> Iterator[tuple[str, float]]:
        """Features of a word there, and by how much each mention raises them (1: once is all)."""
        if one.is_question:
            yield "questions", self._share
            yield from self._of_question(one)
        elif one is self._reply:
            yield "newest_reply", 1.0
            yield "newest_reply.count", 0.2
            if index < _FIRST_WORDS:
                yield "newest_reply.early", 1.0
            if len(one.words) <= _SHORT_REPLY_WORDS:
                yield "newest_reply.short", 1.0
        else:
            yield "older_replies", 0.3

    def _of_question(self, one: Heard) -> Iterator[tuple[str, float]]:
        if one is self._newest:
            yield "newest_question", 1.0
        if one is self._second:
            yield "second_question", 1.0
        if one is self._first:
            yield "first_question", 1.0
        if self._anchor is not None:
            if one is self._anchor:
                yield "anchor", 1.0
            elif one.said.sequence_number < self._anchor.said.sequence_number:
                yield "before_anchor", 1.0
            if one.said.sequence_number < self._turned_at:
                yield "before_turn", 1.0


def _note(found: Features, places: Iterator[tuple[str, float]], words: Sequence[Word], index: int) -> None:
    word = words[index]
    for place, value in places:
        found[place] = 1.0 if value == 1.0 else found.get(place, 0.0) + value
    if word.lower[0].isdigit():
        found["digits"] = 1.0
    if index > 0 and words[index - 1].lower == "the":
        found["the"] = 1.0
    if index > 0 and word.is_capitalised:
        found["name"] = 1.0
        beside = [words[i] for i in (index - 1, index + 1) if 0 < i < len(words)]
        if any(other.is_capitalised for other in beside):
            found["name.part"] = 1.0
