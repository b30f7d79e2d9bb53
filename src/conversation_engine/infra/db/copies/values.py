"""Rows as both databases mean them, and what tells whether two tables hold the same."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import Column, Table

from conversation_engine.infra.db.base import TermsType

RELEARNED: Final = "relearned"
"""In a column's `info`: what it is in a copy, because what it tells of is not copied but learned again; in a table's:
its rows are not copied at all."""
PARENTS_FIRST: Final = "parents_first"
"""In the `info` of a table whose rows hang on each other: the unique columns by which parents come first."""
_LEXEME: Final = re.compile(r"'((?:[^']|'')*)':([\d,]+)")
_MODULUS: Final = 1 << 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """What a table comes to, in whatever order its rows are read."""

    rows: int = 0
    total: int = 0
    """The sum of SHA-256 over its rows, modulo 2²⁵⁶."""

    def __str__(self) -> str:
        return f"{self.total:064x}"


@dataclass(slots=True, kw_only=True)
class Tally:
    """A digest that grows."""

    table: Table
    rows: int = 0
    total: int = 0

    def add(self, row: Mapping[str, Any]) -> None:
        """Count a row in. O(its size)."""
        values = [_plain(column, row[column.name]) for column in self.table.c]
        text = json.dumps(values, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        self.rows, self.total = self.rows + 1, (self.total + int.from_bytes(digest)) % _MODULUS

    def add_all(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Count rows in."""
        for row in rows:
            self.add(row)

    @property
    def digest(self) -> Digest:
        """What was counted so far."""
        return Digest(rows=self.rows, total=self.total)


def carried(table: Table, row: Mapping[str, Any], *, dialect: str) -> dict[str, Any]:
    """A row of either database as the one of this `dialect` takes it."""
    return {column.name: _carried(column, row[column.name], dialect) for column in table.c}


def terms_in(stored: str) -> list[str]:
    """The terms of a passage in order, from the words of FTS5 or from a `tsvector`."""
    lexemes = _LEXEME.findall(stored)
    if not lexemes:
        return [term for term in stored.split(" ") if term]
    places = [(int(place), lexeme) for lexeme, own in lexemes for place in own.split(",")]
    return [lexeme for _, lexeme in sorted(places)]


def _carried(column: Column[Any], value: Any, dialect: str) -> Any:
    if RELEARNED in column.info:
        return column.info[RELEARNED]
    if column.type is not TermsType:
        return value
    terms = terms_in(value)
    if dialect != "postgresql":
        return " ".join(terms)
    places: dict[str, list[str]] = {}
    for place, term in enumerate(terms, start=1):
        places.setdefault(term, []).append(str(min(place, 16_383)))
    return " ".join(f"'{term}':{','.join(own)}" for term, own in places.items())


def _plain(column: Column[Any], value: Any) -> Any:
    """As JSON that is the same wherever the value was kept: JSONB writes 1e3 as 1000, and has no -0."""
    if RELEARNED in column.info:
        return None
    if column.type is TermsType:
        return sorted(Counter(terms_in(value)).items())
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, Decimal):
        return str(value.normalize())
    if isinstance(value, bytes):
        return value.hex()
    return _same_numbers(value)


def _same_numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _same_numbers(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_same_numbers(inner) for inner in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
