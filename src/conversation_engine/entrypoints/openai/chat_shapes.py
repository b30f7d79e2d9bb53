"""Completions and their chunks, for the document; `chat_answers.py` writes them."""

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, Field

from conversation_engine.entrypoints.openai.item_shapes import is_unset
from conversation_engine.entrypoints.openai.response_shapes import Named


class CalledFunction(BaseModel):
    """A function and what it is called with."""

    name: str
    arguments: str = Field(description="JSON, as the model wrote it.")


class ChatToolCall(BaseModel):
    """A model wants a function called."""

    id: str
    type: Literal["function"]
    function: CalledFunction


class ChatAnswer(BaseModel):
    """What the model says."""

    role: Literal["assistant"]
    content: str | None
    refusal: None
    annotations: list[Any] = Field(max_length=0)
    tool_calls: Sequence[ChatToolCall] | None = Field(None, exclude_if=is_unset)


class ChatChoice(BaseModel):
    """The one answer."""

    index: Literal[0]
    message: ChatAnswer
    logprobs: None
    finish_reason: str = Field(description="`stop`, `length`, `tool_calls`, `content_filter`, or the service's word.")


class PromptDetails(BaseModel):
    """Parts of what was read."""

    cached_tokens: int
    audio_tokens: int


class CompletionDetails(BaseModel):
    """Parts of what was written."""

    reasoning_tokens: int
    audio_tokens: int


class CompletionUsage(BaseModel):
    """What all calls for an answer used."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptDetails
    completion_tokens_details: CompletionDetails


class ChatCompletion(BaseModel):
    """An answer."""

    id: str
    object: Literal["chat.completion"]
    created: int = Field(description="In seconds since 1970.")
    model: str
    system_fingerprint: None
    conversation: Named | None = Field(None, exclude_if=is_unset, description="An extension: where it is kept.")
    choices: Sequence[ChatChoice] = Field(min_length=1, max_length=1)
    usage: CompletionUsage


class FunctionDelta(BaseModel):
    """A function's name, or more of what it is called with."""

    name: str | None = Field(None, exclude_if=is_unset)
    arguments: str


class ToolCallDelta(BaseModel):
    """A call begins, with `id` and `type`, or goes on."""

    index: int
    id: str | None = Field(None, exclude_if=is_unset)
    type: Literal["function"] | None = Field(None, exclude_if=is_unset)
    function: FunctionDelta


class ChatDelta(BaseModel):
    """More of the answer; the first says whose it is, the last says nothing."""

    role: Literal["assistant"] | None = Field(None, exclude_if=is_unset)
    content: str | None = Field(None, exclude_if=is_unset)
    refusal: None = None
    tool_calls: Sequence[ToolCallDelta] | None = Field(None, exclude_if=is_unset)


class ChunkChoice(BaseModel):
    """A piece of the one answer."""

    index: Literal[0]
    delta: ChatDelta
    logprobs: None
    finish_reason: str | None


class ChatCompletionChunk(BaseModel):
    """A piece of a completion; the last with `include_usage` has no choices."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    system_fingerprint: None
    conversation: Named | None = Field(None, exclude_if=is_unset)
    choices: Sequence[ChunkChoice] = Field(max_length=1)
    usage: CompletionUsage | None = Field(None, description="With `include_usage` alone; null but in the last chunk.")
