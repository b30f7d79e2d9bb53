"""What the parts of a page's message say to the model: text, images and files, and what came of calls of tools."""

import json
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from conversation_engine.domains.conversations.types import Content, MessageRole, NewMessage
from conversation_engine.domains.llm.media_urls import is_file_url, is_image_url
from conversation_engine.domains.llm.parts import File, Image, Part, Text, ToolResult, content_of
from conversation_engine.entrypoints.ai_sdk.errors import BadFilePartError, UnsupportedPartError
from conversation_engine.infra.ids import new_id
from conversation_engine.kernel.ids import MessageId
from conversation_engine.kernel.text import checked_text

SILENT_PARTS = frozenset({"step-start", "reasoning"})
"""Parts that say nothing to the model."""
FAILED_CALLS = "failed_calls"
"""In the metadata of a message with results: the ids of the calls that failed, which the model reads as text."""
_NAME_LIMIT_CHARACTERS = 255
_ID_LIMIT_CHARACTERS = 255


class UiPartIn(BaseModel):
    """A part of a message; fields that we do not know are the SDK's own."""

    model_config = ConfigDict(extra="allow")
    type: str
    text: str | None = None
    url: str | None = None
    media_type: str | None = Field(None, alias="mediaType")
    filename: str | None = None
    tool_call_id: str | None = Field(None, alias="toolCallId")
    state: str | None = None
    output: JsonValue = None
    error_text: str | None = Field(None, alias="errorText")

    @property
    def is_call(self) -> bool:
        """Whether it is a call of a tool."""
        return self.type.startswith("tool-") or self.type == "dynamic-tool"

    @property
    def is_image(self) -> bool:
        """Of a file: whether it is a picture."""
        return (self.media_type or "").startswith("image")

    @property
    def is_answered_call(self) -> bool:
        """Whether it says what came of one."""
        return self.is_call and self.state in ("output-available", "output-error")


def question_in(parts: Sequence[UiPartIn]) -> Content:
    """What a user says. Raises UnsupportedPartError or BadFilePartError."""
    said: list[Part] = []
    for place, part in enumerate(parts):
        if part.type == "text":
            said.append(Text(part.text or ""))
        elif part.type == "file":
            said.append(_file(part, place))
        elif part.type not in SILENT_PARTS and not part.type.startswith("data-"):
            raise UnsupportedPartError(part.type, place)
    if any(isinstance(part, Image | File) for part in said):
        said = [part for part in said if not isinstance(part, Text) or part.text.strip()]
    return content_of(said)


def results_in(parts: Sequence[UiPartIn]) -> NewMessage | None:
    """What came of the calls of the reply's last step, in one message; `None`: nothing yet."""
    start = max((place for place, part in enumerate(parts) if part.type == "step-start"), default=-1)
    answered = [part for part in parts[start + 1 :] if part.is_answered_call]
    if not answered:
        return None
    failed = [_call_id(part) for part in answered if part.state == "output-error"]
    return NewMessage(
        id=MessageId(new_id()),
        role=MessageRole.USER,
        content=content_of([ToolResult(call_id=_call_id(part), output=_output(part)) for part in answered]),
        metadata={FAILED_CALLS: failed} if failed else {},
    )


def _file(part: UiPartIn, place: int) -> Image | File:
    url = part.url or ""
    if not (is_image_url(url) if part.is_image else is_file_url(url)):
        raise BadFilePartError(place)
    return Image(url=url) if part.is_image else File(name=(part.filename or "file")[:_NAME_LIMIT_CHARACTERS], url=url)


def _call_id(part: UiPartIn) -> str:
    return checked_text(part.tool_call_id or "", name="toolCallId", limit_characters=_ID_LIMIT_CHARACTERS)


def _output(part: UiPartIn) -> str:
    if part.state == "output-error":
        return part.error_text or "The call failed."
    return part.output if isinstance(part.output, str) else json.dumps(part.output, ensure_ascii=False)
