"""What a message is found by, and whether and where a text has it: the same rule for the index and for what is new."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from conversation_engine.infra.words.messages import Word, fold
from conversation_engine.infra.words.terms import term_of, words_of
from conversation_engine.insights.search.types import MOST_TERMS, Kind, Term

SNIPPET_CHARACTERS: Final = 240
BEFORE_CHARACTERS: Final = 60
"""How much a snippet shows before what was sought."""
_PART = re.compile(r'"([^"]*)"?|(\S+)')


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
    words = tuple(folded for word, _, _ in words_of(quoted or plain) if (folded := fold(word)))
    if not words:
        return
    if plain.endswith("*"):
        if words[:-1]:
            yield Term(kind=Kind.PHRASE, words=words[:-1])
        yield Term(kind=Kind.PREFIX, words=words[-1:])
    elif quoted or len(words) > 1:
        yield Term(kind=Kind.PHRASE, words=words)
    else:
        [(word, _, _)] = [found for found in words_of(plain) if fold(found[0])]
        yield Term(kind=Kind.WORD, words=(term_of(word) or words[0],))


def _places_of(term: Term, words: Sequence[Word]) -> Iterator[tuple[int, int]]:
    match term.kind:
        case Kind.WORD:
            yield from ((word.start, word.end) for word in words if term.words[0] in (word.stem, word.folded))
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
