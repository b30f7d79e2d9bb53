"""Which JSON documents can be kept."""

import json
import re
from collections.abc import Iterable
from typing import Final

from conversation_engine.domains.conversations.types import Content
from conversation_engine.domains.llm.parts import parts_of
from conversation_engine.kernel.errors import InvalidInputError
from conversation_engine.kernel.text import is_storable

JSON_DEPTH_LIMIT: Final = 200
"""pydantic refuses to write JSON of more than 255 levels; an answer puts a few around a message's own."""
_ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
"""NUL as JSON writes it, not a backslash followed by the letters u0000."""


def checked_json(document: object, *, name: str, limit_characters: int) -> str:
    """`document` as JSON text. Raises InvalidInputError if it is not JSON that can be kept."""
    try:
        text = json.dumps(document, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInputError(f"The {name} is not plain JSON (or is nested too deeply).", field=name) from error
    if _is_deeper(document, JSON_DEPTH_LIMIT):
        raise InvalidInputError(
            f"The {name} is nested more than {JSON_DEPTH_LIMIT} levels deep. Flatten it.",
            field=name,
            limit_levels=JSON_DEPTH_LIMIT,
        )
    if len(text) > limit_characters:
        raise InvalidInputError(
            f"The {name} has {len(text)} characters of JSON; at most {limit_characters} are taken.",
            field=name,
            limit_characters=limit_characters,
        )
    if _ESCAPED_NUL.search(text) or not is_storable(text):
        raise InvalidInputError(
            f"The {name} holds a NUL character or half a character. Send valid UTF-8 text.", field=name
        )
    return text


def as_text(content: Content) -> str:
    """What a message says, as a model reads it."""
    if isinstance(content, str):
        return content
    parts = parts_of(content)
    return json.dumps(content, ensure_ascii=False) if parts is None else parts.text


def _is_deeper(document: object, levels: int) -> bool:
    level = [document]
    for _ in range(levels):
        level = [child for one in level for child in _children(one)]
    return bool(level)


def _children(document: object) -> Iterable[object]:
    if isinstance(document, dict):
        return document.values()
    return document if isinstance(document, list | tuple) else ()
