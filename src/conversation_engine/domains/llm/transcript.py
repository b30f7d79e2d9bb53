"""A reply with calls of tools in it as one text that only grows: what adapters yield and the reply log keeps.

Text stands as it is. A call begins with a mark, a line of JSON with its id and name, and another mark; what follows is
its arguments as the model writes them. Text after a call begins with the same marks around `{"type":"text"}`. So a
reply without calls is its own transcript, offsets count code points of one text, and every prefix says what was said
so far. Only turns that offer tools are read like this (docs/decisions/0017).
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from conversation_engine.domains.llm.parts import Part, Parts, Text, ToolCall, content_of, parts_of

OPEN: Final = "\x1e"
"""RECORD SEPARATOR. JSON cannot hold it raw, and text in which a model says it gets the picture of it instead."""
CLOSE: Final = "\x1f"
_PICTURE: Final = "\N{SYMBOL FOR RECORD SEPARATOR}"
_ENCODE: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_TEXT: Final = {"type": "text"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A call begins."""

    call_id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """More of a reply, read from its transcript."""

    offset: int
    """Code points of the transcript up to its end."""
    text: str = ""
    """Of the reply, or of the arguments of the call that was opened last; empty: `opening` says what begins."""
    opening: Opening | None = None
    is_argument: bool = False


def opening(call_id: str, name: str) -> str:
    """How a call begins."""
    return f"{OPEN}{_ENCODE({'id': call_id, 'name': name})}{CLOSE}"


def reopening() -> str:
    """How text begins after a call."""
    return f"{OPEN}{_ENCODE(_TEXT)}{CLOSE}"


def plain(text: str) -> str:
    """`text` without marks, one for one."""
    return text.replace(OPEN, _PICTURE) if OPEN in text else text


class TranscriptReader:
    """Reads a transcript from its beginning, in whatever pieces it comes."""

    def __init__(self) -> None:
        self._offset = 0
        self._held = ""
        self._is_call = False

    def read(self, more: str) -> Iterator[Piece]:
        """What `more` says. The beginning of a call is told when it is whole."""
        rest = self._held + more
        while rest:
            text, mark, after = rest.partition(OPEN)
            if text:
                self._offset += len(text)
                yield Piece(offset=self._offset, text=text, is_argument=self._is_call)
            head, end, rest = after.partition(CLOSE)
            if mark and not end:
                self._held = mark + after
                return
            if mark:
                self._offset += len(head) + 2
                told = json.loads(head)
                self._is_call = "id" in told
                if self._is_call:
                    yield Piece(offset=self._offset, opening=Opening(call_id=told["id"], name=told["name"]))
        self._held = ""


def content_in(transcript: str) -> str | dict[str, Any]:
    """What is stored of a reply: text, or parts where there are calls. A beginning that is cut is left out."""
    items: list[Part] = []
    for piece in TranscriptReader().read(transcript):
        match items[-1] if items else None, piece:
            case _, Piece(opening=Opening(call_id=call_id, name=name)):
                items.append(ToolCall(id=call_id, name=name, arguments=""))
            case ToolCall(id=call_id, name=name, arguments=before), Piece(is_argument=True, text=text):
                items[-1] = ToolCall(id=call_id, name=name, arguments=before + text)
            case Text(text=before), Piece(text=text):
                items[-1] = Text(before + text)
            case _, Piece(text=text):
                items.append(Text(text))
    return content_of(items) if items else ""


def transcript_of(content: object) -> str:
    """The transcript of a stored reply: the inverse of `content_in`."""
    parts = parts_of(content)
    return str(content) if parts is None else "".join(_written(parts))


def _written(parts: Parts) -> Iterator[str]:
    is_call = False
    for part in parts.items:
        if isinstance(part, ToolCall):
            yield opening(part.id, part.name) + part.arguments
        elif isinstance(part, Text):
            yield (reopening() if is_call else "") + part.text
        is_call = isinstance(part, ToolCall)
