"""The words of messages as they are stored, folded and stemmed: the same for what is in an index and what is new."""

import json
import re
from functools import lru_cache
from typing import Any, Final, NamedTuple

from conversation_engine.infra.words.terms import TERM_LIMIT_CHARACTERS, term_of, without_accents, words_of

INDEXED_CHARACTERS: Final = 20_000
"""Of one message: what comes after them is not found."""
_SHORTENED: Final = re.compile(r"['’](?=(?:d|ll|m|re|s|t|ve)$)")


class Word(NamedTuple):
    """A word of a text."""

    folded: str
    stem: str
    start: int
    end: int


def text_of(content: Any) -> str:
    """What a message says: its text, or the texts of its parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(filter(None, map(text_of, content)))
    return text_of(content.get("text", content.get("parts"))) if isinstance(content, dict) else ""


def said_in(content: str, content_format: str) -> str:
    """The text of a message as it is stored."""
    return content if content_format == "text" else text_of(json.loads(content))


def words_and_stems(text: str) -> tuple[list[str], list[str]]:
    """What is in the index of a text: its words, and the stems of those that are not their own."""
    words = read(text)
    return [word.folded for word in words], [word.stem for word in words if word.stem != word.folded]


def read(text: str) -> list[Word]:
    """The words of a text, in order."""
    found = ((fold(word), word, start, end) for word, start, end in words_of(text[:INDEXED_CHARACTERS]))
    return [Word(folded, term_of(word) or folded, start, end) for folded, word, start, end in found if folded]


@lru_cache(maxsize=65_536)
def fold(word: str) -> str:
    """A word as it is sought: without case, accents and apostrophes, but `i_ll` for "I'll", which is not "ill"."""
    folded = _SHORTENED.sub("_", without_accents(word))
    return "".join(c for c in folded if c.isalnum() or c == "_")[:TERM_LIMIT_CHARACTERS]
