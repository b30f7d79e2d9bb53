"""Items and their parts on the wire, for the document and for lists; `items.py` writes them."""

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, Field


def is_unset(value: object) -> bool:
    """Whether a field is left out."""
    return value is None


class InputText(BaseModel):
    """Text that somebody says."""

    type: Literal["input_text"]
    text: str


class InputImage(BaseModel):
    """A picture that somebody shows."""

    type: Literal["input_image"]
    image_url: str
    detail: Literal["auto", "low", "high"]
    file_id: None = Field(description="There are no uploaded files.")


class InputFile(BaseModel):
    """A document that somebody hands over: its data, or where it is."""

    type: Literal["input_file"]
    filename: str
    file_data: str | None = Field(None, exclude_if=is_unset)
    file_url: str | None = Field(None, exclude_if=is_unset)


class OutputText(BaseModel):
    """Text that a model says."""

    type: Literal["output_text"]
    text: str
    annotations: list[Any] = Field(max_length=0)
    logprobs: list[Any] = Field(max_length=0)


class InputMessage(BaseModel):
    """What somebody says."""

    id: str
    type: Literal["message"]
    role: Literal["user", "system"]
    status: Literal["completed"]
    content: Sequence[InputText | InputImage | InputFile]


class OutputMessage(BaseModel):
    """What a model says."""

    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    status: Literal["in_progress", "completed", "incomplete"]
    content: Sequence[OutputText] = Field(max_length=1, description="Empty where nothing is said yet.")


class FunctionCall(BaseModel):
    """A model wants a function called."""

    id: str
    type: Literal["function_call"]
    call_id: str
    name: str
    arguments: str = Field(description="JSON, as the model wrote it.")
    status: Literal["in_progress", "completed", "incomplete"]


class FunctionCallOutput(BaseModel):
    """What came of a call."""

    id: str
    type: Literal["function_call_output"]
    call_id: str
    output: str
    status: Literal["completed"]


OutputItem = OutputMessage | FunctionCall
Item = OutputMessage | InputMessage | FunctionCall | FunctionCallOutput
