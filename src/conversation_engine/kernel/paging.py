"""Keyset pages: stable under inserts, the same cost on page one and page ten thousand."""

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

from conversation_engine.kernel.errors import InvalidCursorError

T = TypeVar("T")
INTEGER_LIMIT: Final = 2**31

Key = tuple[str | int, ...]
"""The sort key of a row; unique, so that a page never repeats or skips one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """A place in an ordered listing and the way to read on from it."""

    key: Key
    is_backward: bool = False

    def encode(self) -> str:
        """An opaque, URL-safe string."""
        raw = json.dumps([int(self.is_backward), *self.key], separators=(",", ":"))
        return base64.urlsafe_b64encode(raw.encode()).decode().rstrip("=")

    @staticmethod
    def decode(text: str, *, types: tuple[type, ...]) -> "Cursor":
        """Read a cursor whose key has values of `types`: `int` of 32 bits, `str`, or `UUID`, which stays one.

        Raises InvalidCursorError for anything else, so that no store is asked to compare what it cannot hold.
        """
        try:
            padded = text + "=" * (-len(text) % 4)
            backward, *key = json.loads(base64.urlsafe_b64decode(padded.encode()))
            parts = tuple(_part(value, kind) for value, kind in zip(key, types, strict=True))
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise InvalidCursorError from error
        if backward not in (0, 1):
            raise InvalidCursorError
        return Cursor(key=parts, is_backward=bool(backward))


def _part(value: Any, kind: type) -> str | int:
    if kind is UUID:
        return str(UUID(value))
    if not isinstance(value, str | int) or type(value) is not kind:
        raise TypeError
    if isinstance(value, int) and not 0 <= value < INTEGER_LIMIT:
        raise ValueError
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """Some rows in listing order, with the cursors that lead on in both directions (`None` at an end)."""

    items: Sequence[T]
    next: str | None
    previous: str | None


def make_page(rows: Sequence[T], *, limit: int, cursor: Cursor | None, key_of: Callable[[T], Key]) -> Page[T]:
    """Build a page from at most `limit + 1` rows that were read from `cursor` in its direction."""
    has_more = len(rows) > limit
    kept = list(rows[:limit])
    is_backward = cursor is not None and cursor.is_backward
    if is_backward:
        kept.reverse()
    has_next = has_more if not is_backward else True
    has_previous = has_more if is_backward else cursor is not None
    return Page(
        items=kept,
        next=Cursor(key=key_of(kept[-1])).encode() if kept and has_next else None,
        previous=Cursor(key=key_of(kept[0]), is_backward=True).encode() if kept and has_previous else None,
    )
