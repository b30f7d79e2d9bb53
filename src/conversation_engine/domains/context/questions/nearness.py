"""How near in meaning a question is to what was said before it: a new topic is far from everything."""

from collections.abc import Sequence
from typing import Final

from conversation_engine.domains.context.questions.meaning import Gist, Meanings, Meant, Vector, likeness
from conversation_engine.domains.context.questions.talk import Asked, Talk
from conversation_engine.domains.context.questions.words import Word

REPLY_WORDS: Final = 50
"""How much of the newest reply is compared."""

WORDS_COMPARED: Final = 60
"""How many different words of earlier questions each word is compared with."""


class Nearness:
    """Compares meanings. What a message means is worked out once a talk."""

    def __init__(self, meanings: Meanings) -> None:
        self._meanings = meanings

    def features(self, asked: Asked, talk: Talk) -> dict[str, float]:
        """By name; one that is not there is 0."""
        own = self._gist(asked.words, talk)
        if not own.meant:
            return {}
        found = {f"meaning.{dimension}": value for dimension, value in enumerate(own.mean)}
        if talk.questions:
            earlier = [self._gist(one.words, talk) for one in talk.questions]
            found |= _to_texts(own, earlier, self._meanings) | _to_words(own, earlier, self._meanings)
        if talk.replies:
            found["near.reply"] = likeness(own.mean, self._gist(talk.replies[-1].words[:REPLY_WORDS], talk).mean)
        return found

    def _gist(self, words: Sequence[Word], talk: Talk) -> Gist:
        key = tuple(word.lower for word in words)
        known = talk.gists.get(key)
        if known is None:
            known = talk.gists[key] = self._meanings.gist(words)
        return known


def _to_texts(own: Gist, earlier: Sequence[Gist], table: Meanings) -> dict[str, float]:
    """How near the question is to each earlier one."""
    cosines = [likeness(own.mean, one.mean) for one in earlier]
    return {
        "near.newest": cosines[-1],
        "near.newest_2": max(cosines[-2:]),
        "near.nearest": max(cosines),
        "near.first": cosines[0],
        "near.average": sum(cosines) / len(cosines),
        "near.all": likeness(own.mean, table.middle([one.mean for one in earlier])),
    }


def _to_words(own: Gist, earlier: Sequence[Gist], table: Meanings) -> dict[str, float]:
    """How near its words, one by one, are to any word of the earlier ones: 1 for one that was said."""
    said = frozenset().union(*(one.stems for one in earlier))
    if not said:
        return {}
    known = {place: direction for one in earlier for place, direction in one.directions.items()}
    directions = list(known.values())[-WORDS_COMPARED:]
    pairs = [(one.weight, 1.0 if one.stem in said else _nearest(one, directions, table)) for one in own.meant]
    found = {
        "word.average": sum(weight * near for weight, near in pairs) / (sum(weight for weight, _ in pairs) or 1.0),
        "word.nearest": max(near for _, near in pairs),
        "word.farthest": min(near for _, near in pairs),
    }
    new = [pair for pair in pairs if pair[1] < 1]
    if new:
        found["word.new.rarest"] = max(new)[1]
        found["word.new.strangest"] = max(weight * (1 - near) for weight, near in new)
        found["word.new.sum"] = min(sum(weight * (1 - near) for weight, near in new), 4.0) / 4
    return found


def _nearest(one: Meant, directions: Sequence[Vector], table: Meanings) -> float:
    if one.place is None:
        return 0.0
    own = table.direction(one.place)
    return max((likeness(own, other) for other in directions), default=0.0)
