"""The words of messages as they are stored, folded and stemmed: the same for what is in an index and what is new."""

import json
from functools import lru_cache
from typing import Any, Final, NamedTuple

from conversation_engine.infra.words.terms import TERM_LIMIT_CHARACTERS, term_of, without_accents, words_of

INDEXED_CHARACTERS: Final = 20_000
"""Of one message: what comes after them is not found."""


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


def words_and_stems(content: str, content_format: str) -> tuple[list[str], list[str]]:
    """What is in the index of a message as it is stored."""
    words = read(said_in(content, content_format))
    return [word.folded for word in words], [word.stem for word in words]


def read(text: str) -> list[Word]:
    """The words of a text, in order."""
    found = ((fold(word), word, start, end) for word, start, end in words_of(text[:INDEXED_CHARACTERS]))
    return [Word(folded, term_of(word) or folded, start, end) for folded, word, start, end in found if folded]


@lru_cache(maxsize=65_536)
def fold(word: str) -> str:
    """A word as it is sought: without case, accents and apostrophes."""
    folded = without_accents(word)
    return "".join(c for c in folded if c.isalnum())[:TERM_LIMIT_CHARACTERS]
