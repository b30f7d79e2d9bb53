"""The text in what clients send as text, or as parts."""

from typing import Any, Final

from conversation_engine.entrypoints.openai.errors import BadFieldError, UnsupportedFieldError
from conversation_engine.kernel.text import checked_text

MESSAGE_LIMIT_CHARACTERS: Final = 10_000_000
"""Of one message of a prompt that is not stored; the body's own limit is smaller, unless an operator raised it."""
TEXT_PARTS: Final = ("input_text", "output_text", "text")


def text_of_parts(content: str | list[Any] | None, *, place: str, kinds: tuple[str, ...]) -> str:
    """A message's text. Raises UnsupportedFieldError for a part that is none, BadFieldError for no text at all."""
    texts = [content] if isinstance(content, str) else []
    for number, part in enumerate(content if isinstance(content, list) else ()):
        kind = part.get("type") if isinstance(part, dict) else None
        if kind not in kinds:
            raise UnsupportedFieldError(f"{place}[{number}].type", f"parts of the kind {str(kind)[:50]!r}")
        if not isinstance(part.get("text"), str):
            raise BadFieldError(f"{place}[{number}].text", f"`{place}[{number}].text` must be text.")
        texts.append(part["text"])
    return checked_text("\n".join(texts), name=place, limit_characters=MESSAGE_LIMIT_CHARACTERS, blank_allowed=True)
