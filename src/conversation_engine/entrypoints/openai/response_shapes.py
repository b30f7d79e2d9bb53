"""The `response` object and the events of its stream, for the document; `response_objects.py` and `narration.py` write
them."""

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from conversation_engine.entrypoints.openai.item_shapes import OutputItem, OutputText

Number = int
"""Only grows, is the same whenever it is read, and may leave gaps: what `starting_after` takes."""


class Named(BaseModel):
    """A conversation, by its id."""

    id: str


class ResponseFailure(BaseModel):
    """Why there is no response."""

    code: str
    message: str


class Incomplete(BaseModel):
    """Why a response ends before its end."""

    reason: Literal["max_output_tokens", "content_filter", "interrupted"]


class Reasoning(BaseModel):
    """Not to be chosen here."""

    effort: None
    summary: None


class TextFormat(BaseModel):
    """What form the text was to have; with `json_schema` also its name, its schema and what else was said of it."""

    model_config = ConfigDict(extra="allow")

    type: Literal["text", "json_object", "json_schema"]


class TextShape(BaseModel):
    """How text was to be."""

    format: TextFormat
    verbosity: Literal["medium"]


class ToolOffered(BaseModel):
    """A function that the model may have called."""

    type: Literal["function"]
    name: str
    description: str | None
    parameters: dict[str, Any] | None
    strict: bool | None


class ToolChosen(BaseModel):
    """The one that it must have called."""

    type: Literal["function"]
    name: str


class InputDetails(BaseModel):
    """Parts of what was read."""

    cached_tokens: int
    cache_write_tokens: int


class OutputDetails(BaseModel):
    """Parts of what was written."""

    reasoning_tokens: int


class ResponseUsage(BaseModel):
    """What all calls for a response used."""

    input_tokens: int
    input_tokens_details: InputDetails
    output_tokens: int
    output_tokens_details: OutputDetails
    total_tokens: int


class ResponseObject(BaseModel):
    """A response, as it is now."""

    id: str
    object: Literal["response"]
    created_at: int = Field(description="In seconds since 1970.")
    completed_at: int | None
    status: Literal["queued", "in_progress", "completed", "failed", "cancelled", "incomplete"]
    background: bool
    conversation: Named | None = Field(description="Null where nothing is stored.")
    error: ResponseFailure | None
    incomplete_details: Incomplete | None
    instructions: str | None
    max_output_tokens: int | None
    max_tool_calls: None
    metadata: dict[str, str]
    model: str
    output: Sequence[OutputItem]
    previous_response_id: str | None
    presence_penalty: float
    frequency_penalty: float
    prompt_cache_key: None
    reasoning: Reasoning
    safety_identifier: None
    service_tier: Literal["default"]
    store: bool
    temperature: float
    text: TextShape
    parallel_tool_calls: bool
    tool_choice: Literal["auto", "none", "required"] | ToolChosen
    tools: Sequence[ToolOffered]
    top_logprobs: int
    top_p: float
    truncation: Literal["auto", "disabled"]
    usage: ResponseUsage | None
    user: None


class ResponseDeleted(BaseModel):
    """A response that is forgotten."""

    id: str
    object: Literal["response"] = "response"
    deleted: Literal[True] = True


class InputTokens(BaseModel):
    """How many tokens a model would be shown."""

    object: Literal["response.input_tokens"] = "response.input_tokens"
    input_tokens: int


class ResponseStateEvent(BaseModel):
    """A response as it is now."""

    type: Literal[
        "response.created",
        "response.queued",
        "response.in_progress",
        "response.completed",
        "response.failed",
        "response.incomplete",
    ]
    sequence_number: Number
    response: ResponseObject


class OutputItemEvent(BaseModel):
    """An item begins, or is whole."""

    type: Literal["response.output_item.added", "response.output_item.done"]
    sequence_number: Number
    output_index: int
    item: OutputItem


class ContentPartEvent(BaseModel):
    """Text begins, or is whole."""

    type: Literal["response.content_part.added", "response.content_part.done"]
    sequence_number: Number
    item_id: str
    output_index: int
    content_index: Literal[0]
    part: OutputText


class OutputTextDeltaEvent(BaseModel):
    """More text. `sequence_number` is that of its last character."""

    type: Literal["response.output_text.delta"]
    sequence_number: Number
    item_id: str
    output_index: int
    content_index: Literal[0]
    delta: str
    logprobs: list[Any] = Field(max_length=0)


class OutputTextDoneEvent(BaseModel):
    """All of a text."""

    type: Literal["response.output_text.done"]
    sequence_number: Number
    item_id: str
    output_index: int
    content_index: Literal[0]
    text: str
    logprobs: list[Any] = Field(max_length=0)


class ArgumentsDeltaEvent(BaseModel):
    """More of what a function is called with."""

    type: Literal["response.function_call_arguments.delta"]
    sequence_number: Number
    item_id: str
    output_index: int
    delta: str


class ArgumentsDoneEvent(BaseModel):
    """All of what a function is called with."""

    type: Literal["response.function_call_arguments.done"]
    sequence_number: Number
    item_id: str
    output_index: int
    name: str
    arguments: str


class ResponseErrorEvent(BaseModel):
    """What went wrong."""

    type: Literal["error"]
    sequence_number: Number
    code: str
    message: str
    param: None


EVENTS = (
    ResponseStateEvent,
    OutputItemEvent,
    ContentPartEvent,
    OutputTextDeltaEvent,
    OutputTextDoneEvent,
    ArgumentsDeltaEvent,
    ArgumentsDoneEvent,
    ResponseErrorEvent,
)
