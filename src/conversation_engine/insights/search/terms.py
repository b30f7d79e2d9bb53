"""What a message is found by, and whether and where a text has it: the same rule for the index and for what is new."""

import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from conversation_engine.domains.retrieval.terms import TERM_LIMIT_CHARACTERS, term_of, words_of
from conversation_engine.insights.search.types import MOST_TERMS, Kind, Term

INDEXED_CHARACTERS: Final = 20_000
"""Of one message: what comes after them is not found."""
SNIPPET_CHARACTERS: Final = 240
BEFORE_CHARACTERS: Final = 60
"""How much a snippet shows before what was sought."""
_PART = re.compile(r'"([^"]*)"?|(\S+)')


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
    found = ((_fold(word), word, start, end) for word, start, end in words_of(text[:INDEXED_CHARACTERS]))
    return [Word(folded, _stem(word) or folded, start, end) for folded, word, start, end in found if folded]


def sought(query: str) -> list[Term]:
    """The parts of a search, each once."""
    terms = [term for quoted, plain in _PART.findall(query) for term in _terms(quoted, plain)]
    return list(dict.fromkeys(terms))[:MOST_TERMS]


def places(terms: Sequence[Term], words: Sequence[Word]) -> list[tuple[int, int]] | None:
    """Where the text with these words has them, in order and without overlaps; `None` unless it has all."""
    spans: list[tuple[int, int]] = []
    for term in terms:
        found = list(_places_of(term, words))
        if not found:
            return None
        spans += found
    return _joined(sorted(spans))


def snippet(text: str, spans: Sequence[tuple[int, int]]) -> tuple[str, list[tuple[int, int]]]:
    """The piece of a text with the most of these, and where it has them."""
    if not spans:
        return _cut(text, 0, min(len(text), SNIPPET_CHARACTERS), [])
    starts = [max(0, start - BEFORE_CHARACTERS) for start, _ in spans]
    best = max(starts, key=lambda at: sum(at <= a and b <= at + SNIPPET_CHARACTERS for a, b in spans))
    return _cut(text, best, min(len(text), best + SNIPPET_CHARACTERS), spans)


def _cut(text: str, start: int, end: int, spans: Sequence[tuple[int, int]]) -> tuple[str, list[tuple[int, int]]]:
    before, after = "…" if start else "", "…" if end < len(text) else ""
    inside = [(max(a, start), min(b, end)) for a, b in spans if a < end and b > start]
    shift = len(before) - start
    return f"{before}{text[start:end]}{after}", [(a + shift, b + shift) for a, b in inside]


def _terms(quoted: str, plain: str) -> Iterator[Term]:
    words = tuple(folded for word, _, _ in words_of(quoted or plain) if (folded := _fold(word)))
    if not words:
        return
    if plain.endswith("*"):
        if words[:-1]:
            yield Term(kind=Kind.PHRASE, words=words[:-1])
        yield Term(kind=Kind.PREFIX, words=words[-1:])
    elif quoted or len(words) > 1:
        yield Term(kind=Kind.PHRASE, words=words)
    else:
        [(word, _, _)] = [found for found in words_of(plain) if _fold(found[0])]
        yield Term(kind=Kind.WORD, words=(_stem(word) or words[0],))


def _places_of(term: Term, words: Sequence[Word]) -> Iterator[tuple[int, int]]:
    match term.kind:
        case Kind.WORD:
            yield from ((word.start, word.end) for word in words if word.stem == term.words[0])
        case Kind.PREFIX:
            yield from ((word.start, word.end) for word in words if word.folded.startswith(term.words[0]))
        case Kind.PHRASE:
            length = len(term.words)
            for at in range(len(words) - length + 1):
                if all(words[at + n].folded == term.words[n] for n in range(length)):
                    yield words[at].start, words[at + length - 1].end


def _joined(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


@lru_cache(maxsize=65_536)
def _fold(word: str) -> str:
    folded = word.casefold()
    if not folded.isascii():
        folded = "".join(c for c in unicodedata.normalize("NFKD", folded) if not unicodedata.combining(c)).casefold()
        folded = unicodedata.normalize("NFC", folded)
    return "".join(c for c in folded if c.isalnum())[:TERM_LIMIT_CHARACTERS]


def _stem(word: str) -> str:
    """Of a word that every text has, nothing: it is found as it is."""
    return term_of(word)
