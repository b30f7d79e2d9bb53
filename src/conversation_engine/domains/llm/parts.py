"""What a message says where that is more than text: calls of tools and their results, images and files.

Such a message is stored, exported and sent as `{"parts": […]}`. A JSON document of exactly that shape is one, whoever
wrote it; every other document is a document.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

KEY: Final = "parts"
IMAGE_TOKENS: Final = 1600
"""The most that services take for a picture of about a megapixel, to which they scale larger ones."""
LOW_IMAGE_TOKENS: Final = 100
FILE_TOKENS: Final = 3000
"""A page or two of a PDF as text and picture, for every …"""
FILE_CHARACTERS: Final = 100_000
"""… of its data URL begun; or all of a file that is somewhere else."""
CHARACTERS_A_TEXT_TOKEN: Final = 4
"""Of the data URL of a text, which is a third longer than its bytes."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A picture."""

    url: str
    """`data:image/…;base64,…`, or an address that the model's service fetches."""
    detail: str = "auto"
    """How closely it is to be looked at: `low`, `high` or `auto`."""

    @property
    def text(self) -> str:
        """As it is read where nobody sees it."""
        return "[image]"

    def as_json(self) -> dict[str, Any]:
        """The stored form."""
        return {"type": "image", "url": self.url, "detail": self.detail}


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A document."""

    name: str
    url: str
    """As of an image: `data:application/pdf;base64,…`, or an address."""

    @property
    def text(self) -> str:
        """As it is read where nobody opens it."""
        return f"[file {self.name}]"

    def as_json(self) -> dict[str, Any]:
        """The stored form."""
        return {"type": "file", "name": self.name, "url": self.url}


Part = Text | ToolCall | ToolResult | Image | File


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
    def media(self) -> Sequence[Image | File]:
        """What is no text."""
        return [part for part in self.items if isinstance(part, Image | File)]

    @property
    def media_tokens(self) -> int:
        """About what a model reads of them, on the safe side: docs/openai.md. Beside their text."""
        return sum(_tokens_of(part) for part in self.media)

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


def _tokens_of(part: Image | File) -> int:
    if isinstance(part, Image):
        return LOW_IMAGE_TOKENS if part.detail == "low" else IMAGE_TOKENS
    if not part.url.startswith("data:"):
        return FILE_TOKENS
    if part.url.startswith("data:text/"):
        return len(part.url) // CHARACTERS_A_TEXT_TOKEN + 1
    return FILE_TOKENS * (len(part.url) // FILE_CHARACTERS + 1)


_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "text": ("text",),
    "tool_call": ("id", "name", "arguments"),
    "tool_result": ("call_id", "output"),
    "image": ("url", "detail"),
    "file": ("name", "url"),
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
        case "image":
            return Image(**values)
        case "file":
            return File(**values)
        case _:
            return ToolResult(**values)
