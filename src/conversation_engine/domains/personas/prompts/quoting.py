"""What people wrote, as data inside a prompt.

A value is put in once and never read again as a template. A line of it cannot pass for a line of the template: blocks
have a mark before each line, inline values are one line between quotation marks that they cannot close.
"""

import unicodedata
from typing import Final

BLOCK_MARK: Final = "> "
OPENING, CLOSING = "“", "”"
_INNER_QUOTE: Final = "'"


def inline(text: str) -> str:
    """`text` as one line in quotation marks."""
    words = " ".join(_visible(line) for line in text.splitlines())
    for mark in (OPENING, CLOSING, '"', "„", "‟", "«", "»"):
        words = words.replace(mark, _INNER_QUOTE)
    return f"{OPENING}{' '.join(words.split())}{CLOSING}"


def block(text: str) -> str:
    """`text` with a mark before every line."""
    lines = [_visible(line).rstrip() for line in text.strip().splitlines()]
    return "\n".join(f"{BLOCK_MARK}{line}".rstrip() for line in lines)


def _visible(line: str) -> str:
    """Without characters that nobody sees and that change how the others read."""
    return "".join(" " if c == "\t" else c for c in line if c == "\t" or not _is_hidden(c))


def _is_hidden(character: str) -> bool:
    kind = unicodedata.category(character)
    # Joiners (U+200C, U+200D) are part of how Persian, Indic scripts and emoji are written.
    return kind == "Cc" or kind in ("Zl", "Zp") or (kind == "Cf" and character not in "\u200c\u200d")
