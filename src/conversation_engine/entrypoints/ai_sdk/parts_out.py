"""The parts of a message as `useChat` keeps them."""

import json
import mimetypes
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, Field, JsonValue

from conversation_engine.domains.llm.parts import File, Image, ToolCall, ToolResult
from conversation_engine.turns.rag.service import Source

NO_JSON: Final = "The model did not write the call to its end."
_NAME: Final = 200


def _is_unset(value: object) -> bool:
    return value is None


class UiTextPart(BaseModel):
    """Text."""

    type: Literal["text"] = "text"
    text: str


class UiFilePart(BaseModel):
    """An image or another file."""

    type: Literal["file"] = "file"
    media_type: str = Field(serialization_alias="mediaType")
    filename: str | None = Field(None, exclude_if=_is_unset)
    url: str

    @staticmethod
    def of(part: Image | File) -> "UiFilePart":
        """The wire shape of an image or a file."""
        name = part.name if isinstance(part, File) else None
        told = part.url[5:].partition(";")[0] if part.url.startswith("data:") else mimetypes.guess_type(part.url)[0]
        other = "image/*" if isinstance(part, Image) else "application/octet-stream"
        return UiFilePart(media_type=told or other, filename=name, url=part.url)


class UiToolPart(BaseModel):
    """A call of a tool and, as soon as that is known, what came of it."""

    type: str = Field(pattern="^tool-.+", examples=["tool-weather"])
    tool_call_id: str = Field(serialization_alias="toolCallId")
    state: Literal["input-available", "output-available", "output-error"]
    input: JsonValue = None
    output: JsonValue = Field(None, exclude_if=_is_unset)
    error_text: str | None = Field(None, serialization_alias="errorText", exclude_if=_is_unset)

    @staticmethod
    def of(call: ToolCall, result: ToolResult | None, *, has_failed: bool = False) -> "UiToolPart":
        """The wire shape of a call. One whose arguments are no JSON is an error, as in the stream."""
        given, is_json = input_of(call.arguments)
        shown = UiToolPart(type=f"tool-{call.name}", tool_call_id=call.id, state="input-available", input=given)
        if result is None and is_json:
            return shown
        if result is None or has_failed:
            error = NO_JSON if result is None else result.output
            return shown.model_copy(update={"state": "output-error", "error_text": error})
        return shown.model_copy(update={"state": "output-available", "output": _output(result.output)})


class UiSourcePart(BaseModel):
    """A document that a reply names."""

    type: Literal["source-document"] = "source-document"
    source_id: str = Field(serialization_alias="sourceId", description="Of the passage: `GET /documents/…/passages/…`.")
    media_type: str = Field(serialization_alias="mediaType")
    title: str = Field(description="The number by which the reply names it, and the document's name.")
    filename: str

    @staticmethod
    def of(source: Source) -> "UiSourcePart":
        """The wire shape of a source."""
        name = source.chunk.document_name
        return UiSourcePart(
            source_id=source.chunk.id,
            media_type=mimetypes.guess_type(name)[0] or "text/plain",
            title=f"[{source.number}] {name[:_NAME]}",
            filename=name,
        )


class UiStepPart(BaseModel):
    """The model was asked again, with what its calls had come to."""

    type: Literal["step-start"] = "step-start"


UiPart = Annotated[UiTextPart | UiFilePart | UiToolPart | UiSourcePart | UiStepPart, Field(union_mode="left_to_right")]


def input_of(arguments: str) -> tuple[Any, bool]:
    """What a tool is called with, and whether that is JSON; models may leave `{}` out, and break off."""
    try:
        return json.loads(arguments or "{}"), True
    except ValueError:
        return arguments, False


def _output(text: str) -> Any:
    """As the page said it: objects and lists are kept as JSON text."""
    if not text.startswith(("{", "[")):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text
