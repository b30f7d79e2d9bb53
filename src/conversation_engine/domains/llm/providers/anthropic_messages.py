"""Anthropic's Messages API."""

import base64
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Final

import pydantic_core

from conversation_engine.domains.llm.errors import (
    AuthenticationError,
    BadModelRequestError,
    ContextTooLongError,
    ErrorInStreamError,
    ModelNotFoundError,
    ModelRateLimitedError,
    ModelTimeoutError,
    OverloadedError,
    PermissionDeniedError,
    StreamCutError,
)
from conversation_engine.domains.llm.parts import File, Image, Part, Parts, Text, ToolCall, ToolResult
from conversation_engine.domains.llm.streamed_reply import StreamedReply, count, stream_reply, text_of
from conversation_engine.domains.llm.tools import FunctionTool, Toolbox
from conversation_engine.domains.llm.translation import ErrorWords, reported
from conversation_engine.domains.llm.types import (
    LLMMessage,
    ModelEvent,
    ModelRequest,
    ReplyFinished,
    TokenUsage,
)
from conversation_engine.domains.llm.wire import PLAIN, Endpoint, EndpointOptions, ServiceClient, parse

API_VERSION = "2023-06-01"
DEFAULT_REPLY_LIMIT_TOKENS = 1024
"""The protocol demands a limit; this stands in when nobody chose one."""

CACHE = {"type": "ephemeral"}
"""After the system prompt, and after what will stand in the next prompt, too: two of the four marks allowed."""

BEGINNING: Final = "(The conversation begins.)"
_CHOICES: Final[Mapping[str, str]] = {"auto": "auto", "required": "any", "none": "none"}
_NOTHING: Final[Mapping[str, Any]] = {"type": "object", "properties": {}}
_FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
    "tool_use": "tool_calls",
}
ERROR_WORDS: ErrorWords = {
    "invalid_request_error": BadModelRequestError,
    "authentication_error": AuthenticationError,
    "billing_error": PermissionDeniedError,
    "permission_error": PermissionDeniedError,
    "not_found_error": ModelNotFoundError,
    "request_too_large": ContextTooLongError,
    "rate_limit_error": ModelRateLimitedError,
    "api_error": ErrorInStreamError,
    "timeout_error": ModelTimeoutError,
    "overloaded_error": OverloadedError,
}
"""The protocol's `error.type`s. As a refusal the status decides first; inside a stream there is nothing else."""


class AnthropicProvider:
    """Streams `POST {base_url}/v1/messages`."""

    def __init__(
        self,
        client: ServiceClient,
        *,
        base_url: str,
        api_key: str | None,
        name: str = "anthropic",
        options: EndpointOptions = PLAIN,
    ) -> None:
        self._name = name
        self._endpoint = Endpoint(
            client,
            options.address(base_url, "/v1/messages"),
            headers={"anthropic-version": API_VERSION, **options.headers_with(api_key, header="x-api-key")},
            secrets=options.secrets_with(api_key),
            words=ERROR_WORDS,
        )

    @property
    def name(self) -> str:
        return self._name

    def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        return stream_reply(self._endpoint, _body(request), _Reply(is_transcript=request.sampling.tools is not None))

    async def warm_up(self) -> None:
        return None

    async def aclose(self) -> None:
        await self._endpoint.client.aclose()


def _body(request: ModelRequest) -> dict[str, Any]:
    sampling = request.sampling
    system = "\n\n".join(message.text for message in request.messages if message.role == "system")
    chosen = {
        "system": _cached(system) if system and request.stable_messages else system or None,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "stop_sequences": list(sampling.stop) or None,
        "output_config": None if sampling.response_format is None else _form(sampling.response_format),
        **({} if sampling.tools is None else _tools(sampling.tools)),
    }
    return {
        "model": request.model,
        "max_tokens": sampling.reply_limit_tokens or DEFAULT_REPLY_LIMIT_TOKENS,
        "messages": _cached_to(request.stable_messages, request.messages),
        "stream": True,
        **{name: value for name, value in chosen.items() if value is not None},
    }


def _cached(text: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": text, "cache_control": CACHE}]


def _cached_to(count: int, messages: Sequence[LLMMessage]) -> list[dict[str, Any]]:
    """The messages, with a mark where the provider's prompt cache is to end: after the first `count`."""
    if not all(isinstance(message.content, str) for message in messages):
        return _in_blocks(messages, cached=count)
    whole: list[dict[str, Any]] = [*alternating(messages)]
    if all(message.role == "system" for message in messages[:count]):
        return whole
    stable = alternating(messages[:count])
    last, text = whole[len(stable) - 1], stable[-1]["content"]
    rest = last["content"][len(text) :]
    last["content"] = _cached(text)
    if rest.strip():
        last["content"].append({"type": "text", "text": rest.strip()})
    return whole


def alternating(messages: Sequence[LLMMessage]) -> list[dict[str, str]]:
    """User and assistant in turn, the user first, as the protocol demands: neighbours of one role become one."""
    merged: list[dict[str, str]] = []
    for message in messages:
        if message.role == "system":
            continue
        if merged and merged[-1]["role"] == message.role:
            merged[-1]["content"] += "\n\n" + message.text
        else:
            merged.append({"role": message.role, "content": message.text})
    if not merged or merged[0]["role"] == "assistant":
        merged.insert(0, {"role": "user", "content": BEGINNING})
    return merged


def _in_blocks(messages: Sequence[LLMMessage], *, cached: int) -> list[dict[str, Any]]:
    """The same where some messages are more than text: neighbours of one role share their blocks."""
    merged: list[dict[str, Any]] = []
    for place, message in enumerate(messages):
        blocks = [] if message.role == "system" else _blocks(message)
        if blocks and merged and merged[-1]["role"] == message.role:
            merged[-1]["content"] += blocks
        elif blocks:
            merged.append({"role": message.role, "content": blocks})
        if place == cached - 1 and merged:
            merged[-1]["content"][-1]["cache_control"] = CACHE
    if not merged or merged[0]["role"] == "assistant":
        merged.insert(0, {"role": "user", "content": [{"type": "text", "text": BEGINNING}]})
    return merged


def _blocks(message: LLMMessage) -> list[dict[str, Any]]:
    parts = message.content if isinstance(message.content, Parts) else Parts((Text(message.content),))
    return [_block(part) for part in parts.items if not isinstance(part, Text) or part.text.strip()]


def _block(part: Part) -> dict[str, Any]:
    match part:
        case Text(text=text):
            return {"type": "text", "text": text}
        case ToolCall(id=call_id, name=name, arguments=arguments):
            return {"type": "tool_use", "id": call_id, "name": name, "input": _input(arguments)}
        case ToolResult(call_id=call_id, output=output):
            return {"type": "tool_result", "tool_use_id": call_id, "content": output}
        case Image(url=url):
            return {"type": "image", "source": _source(url)}
        case File(name=name, url=url):
            return {"type": "document", "source": _source(url), "title": name}


def _source(url: str) -> dict[str, Any]:
    """Raises BadModelRequestError for a data URL that says nothing."""
    if not url.startswith("data:"):
        return {"type": "url", "url": url}
    head, _, encoded = url.removeprefix("data:").partition(",")
    kind = head.partition(";")[0]
    if kind != "text/plain":
        return {"type": "base64", "media_type": kind, "data": encoded}
    try:
        text = base64.b64decode(encoded).decode()
    except ValueError as error:
        raise BadModelRequestError("a text file that is no text") from error
    return {"type": "text", "media_type": kind, "data": text}


def _form(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Schemas are all that the protocol knows. Raises BadModelRequestError."""
    schema = wanted.get("json_schema", {}).get("schema")
    if schema is None:
        raise BadModelRequestError("this protocol has no response_format but json_schema, with a schema")
    return {"format": {"type": "json_schema", "schema": schema}}


def _input(arguments: str) -> dict[str, Any]:
    """The protocol takes an object; what a model wrote that is none is shown to it as it wrote it."""
    try:
        given = pydantic_core.from_json(arguments or "{}")
    except ValueError:
        given = None
    return given if isinstance(given, dict) else {"arguments": arguments}


def _tools(tools: Toolbox) -> dict[str, Any]:
    kind = "tool" if tools.only is not None else _CHOICES[tools.choice or "auto"]
    choice: dict[str, Any] = {"type": kind}
    if tools.only is not None:
        choice["name"] = tools.only
    if tools.parallel is False and kind != "none":
        choice["disable_parallel_tool_use"] = True
    return {"tools": [_tool(one) for one in tools.functions], "tool_choice": choice}


def _tool(tool: FunctionTool) -> dict[str, Any]:
    told: dict[str, Any] = {"name": tool.name, "input_schema": tool.parameters or _NOTHING}
    if tool.description:
        told["description"] = tool.description
    return told | ({"strict": True} if tool.strict else {})


class _Reply(StreamedReply):
    def __init__(self, *, is_transcript: bool) -> None:
        super().__init__(is_transcript=is_transcript)
        self._has_arguments = False
        self._finish_reason: str | None = None
        self._input_tokens: int | None = None
        self._cached_tokens = 0
        self._cache_write_tokens = 0
        self._output_tokens = 0

    def finished(self) -> ReplyFinished:
        if not self.is_done or self._finish_reason is None:
            raise StreamCutError("the stream ended without message_stop")
        return ReplyFinished(finish_reason=self._finish_reason, usage=self._usage())

    def _usage(self) -> TokenUsage | None:
        if self._input_tokens is None:
            return None
        return TokenUsage(
            input_tokens=self._input_tokens,
            cached_tokens=self._cached_tokens,
            cache_write_tokens=self._cache_write_tokens,
            output_tokens=self._output_tokens,
        )

    def _read_one(self, payload: bytes) -> str | None:
        event = parse(payload)
        match event["type"]:
            case "content_block_delta" if event["delta"]["type"] == "text_delta":
                text = text_of(event["delta"]["text"])
                return self.words(text) if self.is_transcript and text else text
            case "content_block_start" | "content_block_delta" | "content_block_stop" if self.is_transcript:
                return self._read_call(event)
            case "message_start":
                self._read_usage(event["message"].get("usage") or {})
            case "message_delta":
                self._read_end(event)
            case "message_stop":
                self.is_done = True
            case "error":
                raise reported(event["error"], words=ERROR_WORDS, otherwise=ErrorInStreamError)
        return None

    def _read_call(self, event: dict[str, Any]) -> str | None:
        """Calls are blocks of their own; one without arguments says nothing of them, and stands for `{}`."""
        match event:
            case {"content_block": {"type": "tool_use", "id": call_id, "name": name}}:
                self._has_arguments = False
                return self.call(text_of(call_id), text_of(name))
            case {"delta": {"type": "input_json_delta", "partial_json": text}}:
                self._has_arguments = self._has_arguments or bool(text)
                return self.arguments(text_of(text))
            case {"type": "content_block_stop"} if self.is_in_call and not self._has_arguments:
                self._has_arguments = True
                return self.arguments("{}")
        return None

    def _read_end(self, event: dict[str, Any]) -> None:
        if reason := event["delta"].get("stop_reason"):
            self._finish_reason = _FINISH_REASONS.get(reason, text_of(reason))
        if "output_tokens" in (usage := event.get("usage") or {}):
            self._output_tokens = count(usage["output_tokens"])

    def _read_usage(self, usage: dict[str, Any]) -> None:
        """Anthropic's `input_tokens` leave the cached and the cache-written ones out; ours include them."""
        self._cached_tokens = count(usage.get("cache_read_input_tokens"))
        self._cache_write_tokens = count(usage.get("cache_creation_input_tokens"))
        self._input_tokens = count(usage.get("input_tokens")) + self._cached_tokens + self._cache_write_tokens
        self._output_tokens = count(usage.get("output_tokens"))
