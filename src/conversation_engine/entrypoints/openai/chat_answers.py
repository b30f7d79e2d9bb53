"""What `POST /v1/chat/completions` answers: one completion, or chunks of it."""

import json
from collections.abc import Sequence
from typing import Any, Final

from conversation_engine.domains.llm.parts import Text, parts_of
from conversation_engine.domains.llm.types import Attempt
from conversation_engine.entrypoints.openai.error_shape import error_body, error_of
from conversation_engine.entrypoints.openai.failures import failure_of
from conversation_engine.entrypoints.openai.ids import COMPLETION, CONVERSATION, shown
from conversation_engine.entrypoints.openai.tools import as_chat_calls
from conversation_engine.infra.web.event_stream import HEARTBEAT, LastFrame
from conversation_engine.kernel.errors import EngineError
from conversation_engine.turns.schemas import usage_of
from conversation_engine.turns.types import (
    CallBegun,
    CallDelta,
    Heartbeat,
    ReplyDelta,
    Turn,
    TurnDetail,
    TurnEnded,
    TurnEvent,
    TurnRestarted,
    TurnStarted,
    TurnState,
)

DONE: Final = b"data: [DONE]\n\n"
NOTHING_USED: Final = {
    "prompt_tokens": 0,
    "completion_tokens": 0,
    "total_tokens": 0,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
}


def completion_of(detail: TurnDetail, *, is_stored: bool) -> dict[str, Any]:
    """A `chat.completion`. `is_stored`: in a conversation, which it names then."""
    content = "" if detail.reply is None else detail.reply.content
    message: dict[str, Any] = {"role": "assistant", "content": content, "refusal": None, "annotations": []}
    if (parts := parts_of(content)) is not None:
        text = "".join(part.text for part in parts.items if isinstance(part, Text))
        message |= {"content": text or None, "tool_calls": as_chat_calls(parts.calls)}
    elif not isinstance(content, str):
        message["content"] = str(content)
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason(detail)}
    return {
        **_head(detail.turn, "chat.completion", is_stored=is_stored),
        "choices": [choice],
        "usage": usage_fields(detail.attempts),
    }


def finish_reason(detail: TurnDetail) -> str:
    """Why the reply ended where it did."""
    return (detail.attempts[-1].finish_reason if detail.attempts else None) or "stop"


def usage_fields(attempts: Sequence[Attempt]) -> dict[str, Any]:
    """What all calls for an answer used."""
    used = usage_of(attempts)
    if used is None:
        return NOTHING_USED
    return {
        "prompt_tokens": used.input_tokens,
        "completion_tokens": used.output_tokens,
        "total_tokens": used.input_tokens + used.output_tokens,
        "prompt_tokens_details": {"cached_tokens": used.cached_tokens, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": used.reasoning_tokens, "audio_tokens": 0},
    }


def broken(error: EngineError) -> bytes:
    """The end of a stream that broke off."""
    return _data(error_of(error)) + DONE


class Chunks:
    """The events of a turn as `chat.completion.chunk`s."""

    def __init__(self, turn: Turn, *, is_stored: bool, wants_usage: bool) -> None:
        self._head = _head(turn, "chat.completion.chunk", is_stored=is_stored)
        self._wants_usage = wants_usage
        self._shown = 0
        # A delta is on the path of every word: only its text is put into JSON, between these two.
        before, after = self._json(_choice({"content": "\0"}, None)).split(json.dumps("\0"))
        self._before, self._after = f"data: {before}", f"{after}\n\n"
        self.is_over = False
        """Whether nothing more may be sent."""

    def frames(self, event: TurnEvent) -> bytes:
        """What a client is sent of an event; may be nothing."""
        match event:
            case TurnStarted():
                return self._frame(_choice({"role": "assistant", "content": "", "refusal": None}, None))
            case ReplyDelta(offset=offset, text=text):
                self._shown = offset
                return f"{self._before}{json.dumps(text, ensure_ascii=False)}{self._after}".encode(errors="replace")
            case CallBegun(offset=offset, index=index, call_id=call_id, name=name):
                self._shown = offset
                told = {"index": index, "id": call_id, "type": "function", "function": {"name": name, "arguments": ""}}
                return self._frame(_choice({"tool_calls": [told]}, None))
            case CallDelta(offset=offset, index=index, text=text):
                self._shown = offset
                return self._frame(_choice({"tool_calls": [{"index": index, "function": {"arguments": text}}]}, None))
            case Heartbeat():
                return HEARTBEAT
            case TurnRestarted():
                return self._restarted()
            case TurnEnded(detail=detail):
                return self._ended(detail)

    def _restarted(self) -> bytes:
        if not self._shown:
            return b""
        sentence = "The reply was begun anew. Read it in the conversation when it has ended."
        return self._over(error_body("response_restarted", sentence, status=500))

    def _ended(self, detail: TurnDetail) -> bytes:
        if detail.turn.state is not TurnState.COMPLETED:
            return self._over(failure_of(detail.turn).body)
        frames = self._frame(_choice({}, finish_reason(detail)))
        if self._wants_usage:
            frames += self._frame({"choices": [], "usage": usage_fields(detail.attempts)})
        self.is_over = True
        return LastFrame(frames + DONE)

    def _over(self, error: dict[str, Any]) -> bytes:
        self.is_over = True
        return LastFrame(_data(error) + DONE)

    def _frame(self, fields: dict[str, Any]) -> bytes:
        return f"data: {self._json(fields)}\n\n".encode(errors="replace")

    def _json(self, fields: dict[str, Any]) -> str:
        usage = {"usage": None} if self._wants_usage else {}
        return json.dumps({**self._head, **usage, **fields}, ensure_ascii=False, separators=(",", ":"))


def _data(body: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n".encode(errors="replace")


def _head(turn: Turn, kind: str, *, is_stored: bool) -> dict[str, Any]:
    head = {
        "id": shown(COMPLETION, turn.id),
        "object": kind,
        "created": int(turn.created_at.timestamp()),
        "model": turn.model,
        "system_fingerprint": None,
    }
    return head | {"conversation": {"id": shown(CONVERSATION, turn.conversation_id)}} if is_stored else head


def _choice(delta: dict[str, Any], reason: str | None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}]}
