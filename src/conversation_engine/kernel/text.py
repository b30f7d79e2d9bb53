"""Text that every store and every wire can carry."""

from conversation_engine.kernel.errors import InvalidTextError

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def is_storable(text: str) -> bool:
    """Whether `text` has neither NUL (PostgreSQL refuses it) nor lone surrogates (UTF-8 has none)."""
    if "\x00" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def storable(text: str) -> str:
    """`text` with what cannot be stored replaced by U+FFFD, one for one, so that offsets stay true."""
    if is_storable(text):
        return text
    return "".join(REPLACEMENT if c == "\x00" or "\ud800" <= c <= "\udfff" else c for c in text)


def checked_text(text: str, *, name: str, limit_characters: int, blank_allowed: bool = False) -> str:
    """Return `text` unchanged if it can be kept.

    Raises InvalidTextError when it is blank, longer than `limit_characters` (Unicode code points), or holds NUL
    or lone surrogates.
    """
    if not blank_allowed and not text.strip():
        raise InvalidTextError(f"The {name} is empty. Write something first.", field=name)
    if len(text) > limit_characters:
        raise InvalidTextError(
            f"The {name} has {len(text)} characters; at most {limit_characters} are taken. Shorten it.",
            field=name,
            limit_characters=limit_characters,
        )
    if not is_storable(text):
        raise InvalidTextError(
            f"The {name} holds a NUL character or half a character (a lone surrogate). Send valid UTF-8 text.",
            field=name,
        )
    return text


SOUGHT_LIMIT_CHARACTERS = 255
"""The widest of the columns that are searched by what callers say."""


def check_sought(**sought: str | None) -> None:
    """What rows are to be looked for by, under the names of a filter. `None` is not looked for.

    Raises InvalidTextError for what no row can hold: PostgreSQL refuses even to look for it.
    """
    for name, text in sought.items():
        if text is not None:
            checked_text(text, name=name, limit_characters=SOUGHT_LIMIT_CHARACTERS, blank_allowed=True)
