"""What a text is found by: its words, folded, stemmed, without those that every text has.

Both databases index these terms and nothing else, so both find the same. English words are stemmed (Snowball);
other languages are found by their whole words, Chinese, Japanese and Korean by pairs of characters.
"""

import re
import threading
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

import Stemmer

ANALYSIS_VERSION: Final = 1
"""Changes when the same text would give other terms: chunks are indexed again then."""
TERM_LIMIT_CHARACTERS: Final = 40
STOP_WORDS: Final = frozenset(
    re.findall(
        r"\w+",
        "a about an and any are as at be been being but by can could did do does for from had has have he her his "
        "how i if in into is it its just me my no not of on or our she should so some such than that the their "
        "them then there these they this those to was we were what when where which who whom why will with would "
        "you your",
    )
)
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_EAST_ASIAN = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]+")
_own = threading.local()


def terms_of(text: str) -> list[str]:
    """The terms of `text` in order, repetitions included. ASCII letters and digits, or characters beyond ASCII."""
    return [term for word, _, _ in words_of(text) if (term := term_of(word))]


def words_of(text: str) -> Iterator[tuple[str, int, int]]:
    """Its words, each with where it begins and ends in `text`."""
    for match in _WORD.finditer(text):
        word, start = match[0], match.start()
        if word.isascii() or not _EAST_ASIAN.search(word):
            yield word, start, match.end()
        else:
            yield from _pieces(word, start)


def _pieces(word: str, start: int) -> Iterator[tuple[str, int, int]]:
    """East Asian runs as pairs of characters that overlap; what stands between them as it is."""
    at = 0
    for run in _EAST_ASIAN.finditer(word):
        if run.start() > at:
            yield word[at : run.start()], start + at, start + run.start()
        for place in range(run.start(), max(run.end() - 1, run.start() + 1)):
            end = min(place + 2, run.end())
            yield word[place:end], start + place, start + end
        at = run.end()
    if at < len(word):
        yield word[at:], start + at, start + len(word)


def without_accents(word: str) -> str:
    """In lower case, too."""
    folded = word.casefold()
    if folded.isascii():
        return folded
    bare = "".join(c for c in unicodedata.normalize("NFKD", folded) if not unicodedata.combining(c))
    return unicodedata.normalize("NFC", bare.casefold())


@lru_cache(maxsize=65_536)
def term_of(word: str) -> str:
    """The term of one word; empty for a stop word."""
    folded = without_accents(word)
    folded = re.sub(r"['’].*", "", folded) if len(folded) > 2 and folded[1] not in "'’" else folded
    letters = "".join(c for c in folded if c.isalnum())
    if not letters or letters in STOP_WORDS:
        return ""
    return (_stemmer().stemWord(letters) if letters.isascii() else letters)[:TERM_LIMIT_CHARACTERS]


def _stemmer() -> Stemmer.Stemmer:
    stemmer = getattr(_own, "stemmer", None)
    if stemmer is None:  # one a thread: it is not safe to share
        stemmer = _own.stemmer = Stemmer.Stemmer("english")
    return stemmer
