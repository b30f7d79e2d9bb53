"""The OpenAI chat-completions dialect, at any base URL (OpenAI, vLLM, Ollama, llama.cpp, routers, clouds)."""

from collections.abc import AsyncGenerator, Sequence
from typing import Any

from conversation_engine.domains.llm.errors import (
    AuthenticationError,
    BadModelRequestError,
    ContentFilteredError,
    ContextTooLongError,
    ErrorInStreamError,
    MalformedStreamError,
    ModelNotFoundError,
    ModelRateLimitedError,
    ModelTimeoutError,
    OverloadedError,
    PermissionDeniedError,
    StreamCutError,
)
from conversation_engine.domains.llm.parts import File, Image, Part, Parts, Text, ToolCall, ToolResult
from conversation_engine.domains.llm.streamed_reply import StreamedReply, count, stream_reply, text_of
from conversation_engine.domains.llm.tools import Toolbox
from conversation_engine.domains.llm.translation import ErrorWords, reported
from conversation_engine.domains.llm.types import (
    LLMMessage,
    ModelEvent,
    ModelRequest,
    ReplyFinished,
    TokenUsage,
)
from conversation_engine.domains.llm.wire import PLAIN, Endpoint, EndpointOptions, ServiceClient, parse

DONE = b"[DONE]"
ERROR_WORDS: ErrorWords = {
    # OpenAI's codes and types
    "context_length_exceeded": ContextTooLongError,
    "string_above_max_length": ContextTooLongError,
    "content_filter": ContentFilteredError,
    "content_policy_violation": ContentFilteredError,
    "invalid_api_key": AuthenticationError,
    "authentication_error": AuthenticationError,
    "permission_error": PermissionDeniedError,
    "insufficient_quota": PermissionDeniedError,
    "billing_hard_limit_reached": PermissionDeniedError,
    "unsupported_country_region_territory": PermissionDeniedError,
    "model_not_found": ModelNotFoundError,
    "rate_limit_exceeded": ModelRateLimitedError,
    "rate_limit_error": ModelRateLimitedError,
    "requests": ModelRateLimitedError,
    "tokens": ModelRateLimitedError,
    "server_error": OverloadedError,
    "engine_overloaded": OverloadedError,
    "slow_down": OverloadedError,
    "timeout": ModelTimeoutError,
    "invalid_request_error": BadModelRequestError,
    # Azure's
    "DeploymentNotFound": ModelNotFoundError,
    "ResponsibleAIPolicyViolation": ContentFilteredError,
    "429": ModelRateLimitedError,
    # llama.cpp's
    "exceed_context_size_error": ContextTooLongError,
    "not_found_error": ModelNotFoundError,
    "unavailable_error": OverloadedError,
    "not_supported_error": BadModelRequestError,
    # vLLM's
    "BadRequestError": BadModelRequestError,
    "NotFoundError": ModelNotFoundError,
    "AuthenticationError": AuthenticationError,
    "InternalServerError": OverloadedError,
    # routers' (Hugging Face, gateways in front of others)
    "overloaded_error": OverloadedError,
    "overloaded": OverloadedError,
}
"""What services that speak this dialect call it when something goes wrong: `error.code`, then `error.type`."""


class OpenAIChatProvider:
    """Streams `POST {base_url}/chat/completions`."""

    def __init__(
        self,
        client: ServiceClient,
        *,
        name: str,
        base_url: str,
        api_key: str | None,
        options: EndpointOptions = PLAIN,
        reply_limit_field: str | None = None,
    ) -> None:
        """`reply_limit_field`: what the service calls the longest reply; `None`: by the address."""
        self._name = name
        self._endpoint = Endpoint(
            client,
            options.address(base_url, "/chat/completions"),
            headers=options.headers_with(api_key, header="authorization", prefix="Bearer "),
            secrets=options.secrets_with(api_key),
            words=ERROR_WORDS,
        )
        # api.openai.com refuses the old name for its reasoning models; everybody else knows only the old one.
        self._is_openai = "api.openai.com" in base_url
        by_address = "max_completion_tokens" if self._is_openai else "max_tokens"
        self._limit_field = reply_limit_field or by_address

    @property
    def name(self) -> str:
        return self._name

    def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        return stream_reply(
            self._endpoint, self._body(request), _Reply(is_transcript=request.sampling.tools is not None)
        )

    async def warm_up(self) -> None:
        return None

    async def aclose(self) -> None:
        await self._endpoint.client.aclose()

    def _body(self, request: ModelRequest) -> dict[str, Any]:
        sampling = request.sampling
        chosen: dict[str, Any] = {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": sampling.seed,
            "response_format": sampling.response_format,
            "stop": list(sampling.stop) or None,
            self._limit_field: sampling.reply_limit_tokens,
            # OpenAI's own field; others refuse fields that they do not know, and route nothing by it.
            "prompt_cache_key": request.cache_key if self._is_openai else None,
        }
        return {
            "model": request.model,
            "messages": _messages(request.messages),
            "stream": True,
            "stream_options": {"include_usage": True},
            **({} if sampling.tools is None else _tools(sampling.tools)),
            **{name: value for name, value in chosen.items() if value is not None},
        }


def _messages(messages: Sequence[LLMMessage]) -> list[dict[str, Any]]:
    shown: list[dict[str, Any]] = []
    for role, content in messages:
        if role == "assistant" and (not isinstance(content, str) or (shown and "tool_calls" in shown[-1])):
            _show_calls(shown, content if isinstance(content, Parts) else Parts((Text(content),)))
        elif isinstance(content, str):
            shown.append({"role": role, "content": content})
        else:
            shown += [
                {"role": "tool", "tool_call_id": result.call_id, "content": result.output} for result in content.results
            ]
            said = [_said(part) for part in content.items if not isinstance(part, ToolResult)]
            if said:
                shown.append({"role": role, "content": said})
    return shown


def _said(part: Part) -> dict[str, Any]:
    match part:
        case Image(url=url, detail=detail):
            return {"type": "image_url", "image_url": {"url": url, "detail": detail}}
        case File(name=name, url=url):
            return {"type": "file", "file": {"filename": name, "file_data": url}}
        case _:
            return {"type": "text", "text": part.text}


def _show_calls(shown: list[dict[str, Any]], parts: Parts) -> None:
    """What the assistant says from a call on is one message: the results of all calls follow it."""
    calls = [_call(part) for part in parts.items if isinstance(part, ToolCall)]
    text = "\n".join(part.text for part in parts.items if isinstance(part, Text))
    before = shown[-1] if shown else {}
    if "tool_calls" in before:
        before["content"] = "\n".join(filter(None, [before["content"], text])) or None
        before["tool_calls"] += calls
    else:
        shown.append({"role": "assistant", "content": text or None} | ({"tool_calls": calls} if calls else {}))


def _call(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments or "{}"}}


def _tools(tools: Toolbox) -> dict[str, Any]:
    only = None if tools.only is None else {"type": "function", "function": {"name": tools.only}}
    chosen = {"tool_choice": only or tools.choice, "parallel_tool_calls": tools.parallel}
    functions = [{"type": "function", "function": one.as_json()} for one in tools.functions]
    return {"tools": functions} | {name: value for name, value in chosen.items() if value is not None}


class _Reply(StreamedReply):
    def __init__(self, *, is_transcript: bool) -> None:
        super().__init__(is_transcript=is_transcript)
        self._call_index: int | None = None
        self._finish_reason: str | None = None
        self._usage: TokenUsage | None = None

    def finished(self) -> ReplyFinished:
        if self._finish_reason is None:
            raise StreamCutError("the stream ended without a finish_reason")
        return ReplyFinished(finish_reason=self._finish_reason, usage=self._usage)

    def _read_one(self, payload: bytes) -> str | None:
        if payload == DONE:
            self.is_done = True
            return None
        chunk = parse(payload)
        if failure := chunk.get("error"):
            raise reported(failure, words=ERROR_WORDS, otherwise=ErrorInStreamError)
        if usage := chunk.get("usage"):
            self._usage = _usage(usage)
        choices = chunk.get("choices")
        if not choices:
            return None
        choice = choices[0]
        if reason := choice.get("finish_reason"):
            self._finish_reason = text_of(reason)
        delta = choice["delta"]
        text = delta.get("content")
        if self.is_transcript:
            return self._read_delta(delta, text)
        return None if text is None else text_of(text)

    def _read_delta(self, delta: dict[str, Any], text: Any) -> str:
        said = self.words(text_of(text)) if text else ""
        return said + "".join([self._read_call(call) for call in delta.get("tool_calls") or ()])

    def _read_call(self, call: dict[str, Any]) -> str:
        """Services write calls one after another; those without an index write each whole."""
        told, index, call_id = call.get("function") or {}, call.get("index"), call.get("id")
        is_next = not self.is_in_call or (bool(call_id) and call_id != self.call_id) or index != self._call_index
        if is_next and not told.get("name"):
            raise MalformedStreamError(f"more of a call that has ended, or that never began: {call!r}")
        self._call_index = index
        opened = self.call(call_id or None, text_of(told["name"])) if is_next else ""
        return opened + self.arguments(text_of(told.get("arguments") or ""))


def _usage(usage: dict[str, Any]) -> TokenUsage:
    read, wrote = count(usage.get("prompt_tokens")), count(usage.get("completion_tokens"))
    read_details = usage.get("prompt_tokens_details") or {}
    reasoning = count((usage.get("completion_tokens_details") or {}).get("reasoning_tokens"))
    if reasoning and count(usage.get("total_tokens")) == read + wrote + reasoning:
        wrote += reasoning  # some services count the reasoning beside the rest, as their total shows
    return TokenUsage(
        input_tokens=read,
        cached_tokens=count(read_details.get("cached_tokens")),
        output_tokens=wrote,
        cache_write_tokens=count(read_details.get("cache_write_tokens")),
        reasoning_tokens=reasoning,
    )
