"""Words of English questions: how they are cut, what is the same word, which ones say nothing by themselves."""

import re
from collections.abc import Mapping, Sequence
from math import log
from typing import Final, NamedTuple

_WORD: Final = re.compile(r"[^\W_]+(?:['’.&-][^\W_]+)*")
_LONGEST: Final = 40
"""Characters of a word that are looked at: a pasted key or address is no word."""


def listed(words: str) -> frozenset[str]:
    """The words of a list that is written as people write one."""
    return frozenset(words.split())


PERSONAL: Final = listed("he she him her his hers they them their theirs it its himself herself itself themselves")
DEMONSTRATIVE: Final = listed("this that these those")
FUNCTION_WORDS: Final = (
    PERSONAL
    | DEMONSTRATIVE
    | listed("""a an the and or but nor if of in on at to from by for with without about as into over under between
        during after before through than i you we me us my your our mine yours ours there here is are was were
        be been being am do does did done doing have has had having will would can could should may might must
        shall what who whom whose which when where why how not no yes so too also just only very more most much
        many any some all each every other others another else such same own s t d ll m re ve don't isn't
        doesn't didn't tell say said give explain describe please know get got let like then now again still
        ever even out up down off one ones something anything what's who's it's that's there's i'm""")
)
"""They ask, point and join; what a question is about, the others say."""

_SUFFIXES: Final = (
    ("sses", "ss"),
    ("ies", "y"),
    ("ing", ""),
    ("edly", ""),
    ("ed", ""),
    ("ers", "er"),
    ("es", "e"),
    ("s", ""),
)


class Word(NamedTuple):
    """A word of a text."""

    text: str
    """As it was written."""
    lower: str
    stem: str

    @property
    def is_content(self) -> bool:
        """Whether it says something by itself."""
        return self.lower not in FUNCTION_WORDS

    @property
    def is_capitalised(self) -> bool:
        """Whether it looks like a name, unless it begins a sentence."""
        return self.text[0].isupper() and self.text != "I"


def words_of(text: str) -> list[Word]:
    """The words of `text` in order, a possessive ending cut off. O(length)."""
    found = []
    for match in _WORD.findall(text):
        written = _without_possessive(match[:_LONGEST])
        lower = written.lower().replace("’", "'")
        found.append(Word(written, lower, stem_of(lower)))
    return found


def stem_of(lower: str) -> str:
    """What is left of a lower-case word without its commonest endings: crude, fast, the same for both sides."""
    if len(lower) > 4 and not lower.endswith("ss"):
        for suffix, instead in _SUFFIXES:
            if lower.endswith(suffix) and len(lower) - len(suffix) >= 3:
                lower = lower[: -len(suffix)] + instead
                break
    return lower[:-1] if len(lower) > 4 and lower.endswith("e") else lower


class Rarity:
    """How much a word tells: 0 for one that is everywhere, 1 for one that nobody has seen."""

    def __init__(self, texts: int, texts_with: Mapping[str, int]) -> None:
        """`texts` were read, `texts_with` says in how many of them a stem stood."""
        scale = log(texts)
        self._of_stem = {stem: 1 - log(count) / scale for stem, count in texts_with.items()}

    def __call__(self, stem: str) -> float:
        """The rarity of a stem."""
        return self._of_stem.get(stem, 1.0)


def content_stems(words: Sequence[Word]) -> list[str]:
    """The stems of those words that say something, in order, repetitions included."""
    return [word.stem for word in words if word.lower not in FUNCTION_WORDS]


def _without_possessive(word: str) -> str:
    if word.endswith(("'s", "’s")) and word.lower() not in FUNCTION_WORDS:
        return word[:-2]
    return word
