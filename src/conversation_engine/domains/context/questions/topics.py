"""What a conversation is about, and where it turns to something else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log1p
from typing import Final

from conversation_engine.domains.context.questions.follow_up import Features, features_of, logistic
from conversation_engine.domains.context.questions.talk import QUESTIONS_READ, REPLIES_READ, Asked, Heard, Said, Talk
from conversation_engine.domains.context.questions.titles import title_of
from conversation_engine.domains.context.questions.words import Rarity, Word, listed

TOPIC_TERMS: Final = 4
_AGREEING: Final = listed("yes no yeah nice cool wow oh that ok okay great awesome lol haha thanks sure well")
_LOOK_BACK: Final = 4 * (QUESTIONS_READ + REPLIES_READ)
_NEARBY: Final = (1, 2, 4)
"""How many of the newest messages an utterance is compared with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A stretch of a conversation about one thing."""

    topic: str
    first: int
    """Sequence number of its first message."""
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Topics:
    """What a conversation is about."""

    topic: str | None
    """Of its longest stretch; `None` where nothing was said."""
    segments: Sequence[Segment]
    """Oldest first."""


class TopicTracker:
    """Says where a conversation turns, and what its parts are about."""

    def __init__(self, weights: Mapping[str, float], rarity: Rarity, *, threshold: float) -> None:
        self._weights = weights
        self._rarity = rarity
        self._threshold = threshold

    def shift_probability(self, asked: Asked, talk: Talk) -> float:
        """How likely `asked` turns to something else; 0 when nothing was said before."""
        if not talk.heard:
            return 0.0
        return logistic(self._weights, shift_features(asked, talk, self._rarity))

    def is_shift(self, asked: Asked, talk: Talk) -> bool:
        """Whether `asked` begins a segment."""
        return self.shift_probability(asked, talk) >= self._threshold

    def segments(self, said: Sequence[Said]) -> list[Segment]:
        """The stretches of `said` (oldest first): a new one begins where a person turns to something else.

        O(messages), a millisecond or two for each message of a person.
        """
        parts: list[list[Said]] = []
        for index, one in enumerate(said):
            if one.role == "system":
                continue
            is_first = not parts
            if is_first or (
                one.role == "user"
                and self.is_shift(Asked.of(one.text), Talk.of(said[max(0, index - _LOOK_BACK) : index]))
            ):
                parts.append([])
            parts[-1].append(one)
        return [
            Segment(topic=self.topic(part), first=part[0].sequence_number, last=part[-1].sequence_number)
            for part in parts
        ]

    def topics(self, said: Sequence[Said]) -> Topics:
        """What `said` (oldest first) is about. O(messages), like `segments`."""
        segments = self.segments(said)
        longest = max(segments, key=lambda part: (part.last - part.first, part.first), default=None)
        return Topics(topic=longest.topic if longest else None, segments=segments)

    def topic(self, said: Sequence[Said]) -> str:
        """The words that tell most of what people asked (of the replies, where nobody asked anything)."""
        talk = Talk.of(said)
        heard = talk.questions or talk.replies
        scores: dict[str, float] = {}
        written: dict[str, str] = {}
        for place, one in enumerate(heard):
            for index, word in enumerate(one.words):
                if word.is_content and len(word.lower) > 1:
                    written.setdefault(word.stem, word.text)
                    scores[word.stem] = scores.get(word.stem, 0.0) + self._telling(word, index, is_first=place == 0)
        best = sorted(scores, key=lambda stem: -scores[stem])[:TOPIC_TERMS]
        return " ".join(written[stem] for stem in written if stem in best)

    def title(self, said: Sequence[Said]) -> str | None:
        """A title for a conversation: what was wanted first; `None` while nobody has said more than hello."""
        return next((title for one in said if one.role == "user" and (title := title_of(one.text))), None)

    def _telling(self, word: Word, index: int, *, is_first: bool) -> float:
        rarity = self._rarity(word.stem)
        named = 0.3 if index > 0 and word.is_capitalised else 0.0
        return (rarity + named) * (1.5 if is_first else 1.0)


def shift_features(asked: Asked, talk: Talk, rarity: Rarity) -> Features:
    """What `features_of` says, and what tells a turn of small talk from the rest."""
    words = [word.lower for word in asked.words]
    before = talk.heard[-1]
    is_asking = asked.text.rstrip().endswith("?")
    found = features_of(asked, talk, rarity) | _nearness(asked, talk.heard, rarity)
    found |= {
        "asking": float(is_asking),
        "asking.somewhere": float("?" in asked.text),
        "asked": float(before.said.text.rstrip().endswith("?")),
        "asked.somewhere": float("?" in before.said.text),
        "you": float("you" in words or "your" in words),
        "i": float("i" in words),
        "asking.you": float(is_asking and "you" in words),
        "agreeing": float(bool(words) and words[0] in _AGREEING),
        "length.before": log1p(len(before.words)) / 3,
        "age": min(len(talk.heard), 10) / 10,
    }
    found["asking.new"] = found["asking"] * (1 - found.get("near.2", 0.0))
    return found


def _nearness(asked: Asked, heard: Sequence[Heard], rarity: Rarity) -> Features:
    rarities = [rarity(stem) for stem in asked.stems]
    total = sum(rarities) or 1.0
    found: Features = {}
    for count in _NEARBY:
        said = frozenset().union(*(one.stems for one in heard[-count:]))
        shared = [value for stem, value in zip(asked.stems, rarities, strict=True) if stem in said]
        found[f"near.{count}"] = sum(shared) / total
        found[f"near.{count}.rarest"] = max(shared, default=0.0)
    return found
