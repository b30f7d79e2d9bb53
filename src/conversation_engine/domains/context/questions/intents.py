"""What a question wants, among labels that an operator chooses."""

from collections.abc import Mapping, Sequence

from conversation_engine.domains.context.questions.talk import QUESTION_CHARACTERS
from conversation_engine.domains.context.questions.words import Rarity, words_of


class IntentRules:
    """Chooses the label whose words a question uses: long, telling, early words count most."""

    def __init__(self, labels: Mapping[str, Sequence[str]], rarity: Rarity) -> None:
        self._rarity = rarity
        self._cues = [(label, _stems(cue)) for label, cues in labels.items() for cue in cues]

    def choose(self, text: str) -> str | None:
        """The best label, the first of equals; `None` where no word of any label is used."""
        stems = _stems(text[:QUESTION_CHARACTERS])
        best, best_score = None, 0.0
        for label, cue in self._cues:
            place = _find(cue, stems)
            if place is None:
                continue
            score = sum(0.2 + self._rarity(stem) for stem in cue) + 0.5 / (1 + place)
            if score > best_score:
                best, best_score = label, score
        return best


def _stems(text: str) -> list[str]:
    return [word.stem for word in words_of(text)]


def _find(cue: Sequence[str], stems: Sequence[str]) -> int | None:
    """Where `cue` stands in `stems`, word for word."""
    length = len(cue)
    places = (place for place in range(len(stems) - length + 1) if list(stems[place : place + length]) == list(cue))
    return next(places, None) if cue else None
