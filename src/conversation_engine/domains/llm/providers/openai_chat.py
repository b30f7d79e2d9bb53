"""The OpenAI chat-completions dialect, at any base URL (OpenAI, vLLM, Ollama, llama.cpp, routers, clouds)."""

from collections.abc import AsyncGenerator
from typing import Any

from conversation_engine.domains.llm.errors import ErrorInStreamError, StreamCutError
from conversation_engine.domains.llm.streamed_reply import StreamedReply, count, stream_reply, text_of
from conversation_engine.domains.llm.types import (
    ModelEvent,
    ModelRequest,
    ReplyFinished,
    TokenUsage,
)
from conversation_engine.domains.llm.wire import ServiceClient, parse

DONE = b"[DONE]"


class OpenAIChatProvider:
    """Streams `POST {base_url}/chat/completions`."""

    def __init__(self, client: ServiceClient, *, name: str, base_url: str, api_key: str | None) -> None:
        self._client = client
        self._name = name
        self._url = base_url.rstrip("/") + "/chat/completions"
        self._headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
        # api.openai.com refuses the old name for its reasoning models; everybody else knows only the old one.
        self._limit_field = "max_completion_tokens" if "api.openai.com" in base_url else "max_tokens"

    @property
    def name(self) -> str:
        return self._name

    def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        body = self._body(request)
        return stream_reply(self._client, self._url, headers=self._headers, body=body, reply=_Reply())

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


class _Reply(StreamedReply):
    def __init__(self) -> None:
        super().__init__()
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
        if reported := chunk.get("error"):
            raise ErrorInStreamError(str(reported)[:2000])
        if usage := chunk.get("usage"):
            self._usage = _usage(usage)
        choices = chunk.get("choices")
        if not choices:
            return None
        choice = choices[0]
        if reason := choice.get("finish_reason"):
            self._finish_reason = text_of(reason)
        text = choice["delta"].get("content")
        return None if text is None else text_of(text)


def _usage(usage: dict[str, Any]) -> TokenUsage:
    details = usage.get("prompt_tokens_details") or {}
    return TokenUsage(
        input_tokens=count(usage.get("prompt_tokens")),
        cached_tokens=count(details.get("cached_tokens")),
        output_tokens=count(usage.get("completion_tokens")),
    )
