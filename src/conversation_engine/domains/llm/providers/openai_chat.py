"""The OpenAI chat-completions dialect, at any base URL (OpenAI, vLLM, Ollama, llama.cpp, routers, clouds)."""

from collections.abc import AsyncGenerator
from typing import Any, NoReturn

import httpx2

from conversation_engine.domains.llm.errors import ErrorInStreamError, MalformedStreamError, StreamCutError
from conversation_engine.domains.llm.types import (
    ModelEvent,
    ModelRequest,
    ReplyFinished,
    TextDelta,
    TokenUsage,
)
from conversation_engine.domains.llm.wire import drain, event_stream, parse
from conversation_engine.kernel.text import storable

DONE = b"[DONE]"


class OpenAIChatProvider:
    """Streams `POST {base_url}/chat/completions`."""

    def __init__(self, client: httpx2.AsyncClient, *, name: str, base_url: str, api_key: str | None) -> None:
        self._client = client
        self._name = name
        self._url = base_url.rstrip("/") + "/chat/completions"
        self._headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
        # api.openai.com refuses the old name for its reasoning models; everybody else knows only the old one.
        self._limit_field = "max_completion_tokens" if "api.openai.com" in base_url else "max_tokens"

    @property
    def name(self) -> str:
        return self._name

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        reply = _Reply()
        async with event_stream(self._client, self._url, headers=self._headers, body=self._body(request)) as batches:
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

    def _body(self, request: ModelRequest) -> dict[str, Any]:
        sampling = request.sampling
        chosen: dict[str, Any] = {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": sampling.seed,
            "stop": list(sampling.stop) or None,
            self._limit_field: sampling.reply_limit_tokens,
        }
        return {
            "model": request.model,
            "messages": [{"role": message.role, "content": message.content} for message in request.messages],
            "stream": True,
            "stream_options": {"include_usage": True},
            **{name: value for name, value in chosen.items() if value is not None},
        }


class _Reply:
    """What has been read of one stream."""

    def __init__(self) -> None:
        self.is_done = False
        self._finish_reason: str | None = None
        self._usage: TokenUsage | None = None

    def read(self, payloads: list[bytes]) -> str:
        """The text in payloads that arrived together."""
        pieces = []
        for payload in payloads:
            if payload == DONE:
                self.is_done = True
                break
            try:
                if piece := self._read_one(parse(payload)):
                    pieces.append(piece)
            except (KeyError, TypeError, AttributeError, IndexError) as error:
                raise MalformedStreamError(f"unexpected chunk: {payload[:200]!r}") from error
        return "".join(pieces)

    def finished(self) -> ReplyFinished:
        """The end of the reply. Raises StreamCutError when the stream stopped before it."""
        if self._finish_reason is None:
            raise StreamCutError("the stream ended without a finish_reason")
        return ReplyFinished(finish_reason=self._finish_reason, usage=self._usage)

    def _read_one(self, chunk: dict[str, Any]) -> str | None:
        if chunk.get("error"):
            _raise_reported(chunk["error"])
        if usage := chunk.get("usage"):
            self._usage = _usage(usage)
        choices = chunk.get("choices")
        if not choices:
            return None
        choice = choices[0]
        if reason := choice.get("finish_reason"):
            self._finish_reason = reason
        text = choice["delta"].get("content")
        if text is not None and not isinstance(text, str):
            raise TypeError
        return text


def _usage(usage: dict[str, Any]) -> TokenUsage:
    details = usage.get("prompt_tokens_details") or {}
    return TokenUsage(
        input_tokens=int(usage.get("prompt_tokens") or 0),
        cached_tokens=int(details.get("cached_tokens") or 0),
        output_tokens=int(usage.get("completion_tokens") or 0),
    )


def _raise_reported(reported: Any) -> NoReturn:
    raise ErrorInStreamError(str(reported)[:2000])
