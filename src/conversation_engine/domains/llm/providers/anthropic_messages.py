"""Anthropic's Messages API."""

from collections.abc import AsyncGenerator, Sequence
from typing import Any

import httpx2

from conversation_engine.domains.llm.errors import (
    ErrorInStreamError,
    MalformedStreamError,
    ModelError,
    OverloadedError,
    RateLimitedError,
    StreamCutError,
)
from conversation_engine.domains.llm.types import (
    LLMMessage,
    ModelEvent,
    ModelRequest,
    ReplyFinished,
    TextDelta,
    TokenUsage,
)
from conversation_engine.domains.llm.wire import drain, event_stream, parse
from conversation_engine.kernel.text import storable

API_VERSION = "2023-06-01"
DEFAULT_REPLY_LIMIT_TOKENS = 1024
"""The protocol demands a limit; this stands in when nobody chose one."""

_FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
    "tool_use": "tool_calls",
}
_REPORTED: dict[str, type[ModelError]] = {
    "overloaded_error": OverloadedError,
    "rate_limit_error": RateLimitedError,
}


class AnthropicProvider:
    """Streams `POST {base_url}/v1/messages`."""

    def __init__(self, client: httpx2.AsyncClient, *, base_url: str, api_key: str | None) -> None:
        self._client = client
        self._url = base_url.rstrip("/") + "/v1/messages"
        self._headers = {"anthropic-version": API_VERSION, "x-api-key": api_key or ""}

    @property
    def name(self) -> str:
        return "anthropic"

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        reply = _Reply()
        async with event_stream(self._client, self._url, headers=self._headers, body=_body(request)) as batches:
            async for payloads in batches:
                if text := reply.read(payloads):
                    yield TextDelta(text=storable(text))
                if reply.is_done:
                    await drain(batches)
                    break
        yield reply.finished()

    async def warm_up(self) -> None:
        return None

    async def aclose(self) -> None:
        await self._client.aclose()


def _body(request: ModelRequest) -> dict[str, Any]:
    sampling = request.sampling
    system = "\n\n".join(message.content for message in request.messages if message.role == "system")
    chosen = {
        "system": system or None,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "stop_sequences": list(sampling.stop) or None,
    }
    return {
        "model": request.model,
        "max_tokens": sampling.reply_limit_tokens or DEFAULT_REPLY_LIMIT_TOKENS,
        "messages": alternating(request.messages),
        "stream": True,
        **{name: value for name, value in chosen.items() if value is not None},
    }


def alternating(messages: Sequence[LLMMessage]) -> list[dict[str, str]]:
    """User and assistant in turn, the user first, as the protocol demands: neighbours of one role become one."""
    merged: list[dict[str, str]] = []
    for message in messages:
        if message.role == "system":
            continue
        if merged and merged[-1]["role"] == message.role:
            merged[-1]["content"] += "\n\n" + message.content
        else:
            merged.append({"role": message.role, "content": message.content})
    if not merged or merged[0]["role"] == "assistant":
        merged.insert(0, {"role": "user", "content": "(The conversation begins.)"})
    return merged


class _Reply:
    """What has been read of one stream."""

    def __init__(self) -> None:
        self.is_done = False
        self._finish_reason: str | None = None
        self._input_tokens: int | None = None
        self._cached_tokens = 0
        self._output_tokens = 0

    def read(self, payloads: list[bytes]) -> str:
        """The text in payloads that arrived together."""
        pieces = []
        for payload in payloads:
            try:
                if piece := self._read_one(parse(payload)):
                    pieces.append(piece)
            except (KeyError, TypeError, AttributeError) as error:
                raise MalformedStreamError(f"unexpected event: {payload[:200]!r}") from error
        return "".join(pieces)

    def finished(self) -> ReplyFinished:
        """The end of the reply. Raises StreamCutError when the stream stopped before it."""
        if not self.is_done or self._finish_reason is None:
            raise StreamCutError("the stream ended without message_stop")
        return ReplyFinished(finish_reason=self._finish_reason, usage=self._usage())

    def _usage(self) -> TokenUsage | None:
        if self._input_tokens is None:
            return None
        return TokenUsage(
            input_tokens=self._input_tokens,
            cached_tokens=self._cached_tokens,
            output_tokens=self._output_tokens,
        )

    def _read_one(self, event: dict[str, Any]) -> str | None:
        match event["type"]:
            case "content_block_delta" if event["delta"]["type"] == "text_delta":
                return str(event["delta"]["text"])
            case "message_start":
                self._read_usage(event["message"].get("usage") or {})
            case "message_delta":
                reason = event["delta"].get("stop_reason")
                self._finish_reason = _FINISH_REASONS.get(reason, reason)
                self._output_tokens = (event.get("usage") or {}).get("output_tokens", self._output_tokens)
            case "message_stop":
                self.is_done = True
            case "error":
                reported = event["error"]
                raise _REPORTED.get(reported.get("type"), ErrorInStreamError)(str(reported)[:2000])
        return None

    def _read_usage(self, usage: dict[str, Any]) -> None:
        """Anthropic's `input_tokens` leave the cached ones out; ours include them."""
        self._cached_tokens = int(usage.get("cache_read_input_tokens") or 0)
        written = int(usage.get("cache_creation_input_tokens") or 0)
        self._input_tokens = int(usage.get("input_tokens") or 0) + self._cached_tokens + written
        self._output_tokens = int(usage.get("output_tokens") or 0)
