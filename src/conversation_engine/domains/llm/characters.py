"""What is not ASCII in a text, by its UTF-8 bytes: a vocabulary that we have not got cuts each kind otherwise.

Kinds of ASCII (letters, digits, marks, spaces) were tried too: they tell nothing beyond the tokens of ours.
"""

from enum import IntEnum
from typing import Final


class Kind(IntEnum):
    """Of characters beyond ASCII."""

    ACCENTED = 0
    """Latin."""
    TWO_BYTES = 1
    """Cyrillic, Greek, Arabic, Hebrew, …"""
    LOW_THREE_BYTES = 2
    """Indic, Thai, …, typographic marks."""
    HIGH_BYTES = 3
    """Chinese, Japanese, Korean; emoji."""


_FIRST_BYTES: Final = ((0xC0, Kind.ACCENTED), (0xCC, Kind.TWO_BYTES), (0xE0, Kind.LOW_THREE_BYTES))
"""Where each kind begins, up to …"""
_LAST: Final = 0xE3
"""… the last. Bytes below go on with a character, or are ASCII."""


def _table() -> bytes:
    kinds = bytearray(b"\xff" * 256)
    for first, kind in (*_FIRST_BYTES, (_LAST, Kind.HIGH_BYTES)):
        kinds[first:] = bytes([kind]) * (256 - first)
    return bytes(kinds)


_KINDS: Final = _table()
_EACH: Final = tuple(bytes([kind]) for kind in Kind)
_NONE: Final = (0,) * len(Kind)


def characters_in(text: str) -> tuple[int, ...]:
    """How many characters of each `Kind`: some µs per thousand, nothing for ASCII."""
    if text.isascii():
        return _NONE
    begun = text.encode(errors="replace").translate(_KINDS)
    return tuple(begun.count(kind) for kind in _EACH)
