"""What a message says where that is more than text: calls of tools and their results.

Such a message is stored, exported and sent as `{"parts": […]}`. A JSON document of exactly that shape is one, whoever
wrote it; every other document is a document.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

KEY: Final = "parts"


@dataclass(frozen=True, slots=True)
class Text:
    """Words."""

    text: str

    def as_json(self) -> dict[str, Any]:
        """The stored form."""
        return {"type": "text", "text": self.text}


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """The model wants something done by whoever asked."""

    id: str
    name: str
    arguments: str
    """JSON text, as the model wrote it: perhaps cut, perhaps no JSON."""

    @property
    def text(self) -> str:
        """As it is read where calls mean nothing."""
        return f"[calls {self.name}({self.arguments})]"

    def as_json(self) -> dict[str, Any]:
        """The stored form."""
        return {"type": "tool_call", "id": self.id, "name": self.name, "arguments": self.arguments}


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """What came of a call."""

    call_id: str
    output: str

    @property
    def text(self) -> str:
        """As it is read where calls mean nothing."""
        return f"[result: {self.output}]"

    def as_json(self) -> dict[str, Any]:
        """The stored form."""
        return {"type": "tool_result", "call_id": self.call_id, "output": self.output}


Part = Text | ToolCall | ToolResult


@dataclass(frozen=True, slots=True)
class Parts:
    """What one message says, in order; never empty."""

    items: tuple[Part, ...]

    @property
    def text(self) -> str:
        """All of it as text: what is counted, searched, summarised and shown where parts mean nothing."""
        return "\n".join(part.text for part in self.items)

    @property
    def calls(self) -> Sequence[ToolCall]:
        """What the model wants done."""
        return [part for part in self.items if isinstance(part, ToolCall)]

    @property
    def results(self) -> Sequence[ToolResult]:
        """What came of earlier calls."""
        return [part for part in self.items if isinstance(part, ToolResult)]

    def as_json(self) -> dict[str, Any]:
        """The stored form."""
        return {KEY: [part.as_json() for part in self.items]}


def parts_of(content: object) -> Parts | None:
    """The parts that a stored document stands for; `None` for text and every other document."""
    if not isinstance(content, dict) or len(content) != 1:
        return None
    given = content.get(KEY)
    if not isinstance(given, list) or not given:
        return None
    read = [_part(one) for one in given]
    items = tuple(one for one in read if one is not None)
    return Parts(items) if len(items) == len(read) else None


def as_plain(content: "str | Parts") -> str:
    """What a message says, as text."""
    return content if isinstance(content, str) else content.text


def content_of(items: Iterable[Part]) -> str | dict[str, Any]:
    """What is stored of these: text where there is nothing else."""
    parts = Parts(tuple(items))
    if all(isinstance(part, Text) for part in parts.items):
        return parts.text
    return parts.as_json()


_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "text": ("text",),
    "tool_call": ("id", "name", "arguments"),
    "tool_result": ("call_id", "output"),
}


def _part(given: object) -> Part | None:
    if not isinstance(given, dict):
        return None
    kind = given.get("type")
    names = _FIELDS.get(kind) if isinstance(kind, str) else None
    values = {name: value for name, value in given.items() if name != "type"}
    if names is None or set(values) != set(names) or not all(isinstance(value, str) for value in values.values()):
        return None
    match kind:
        case "text":
            return Text(values["text"])
        case "tool_call":
            return ToolCall(**values)
        case _:
            return ToolResult(**values)
