"""A turn's events as chunks of the UI message stream."""

import json
from typing import Any, Final

from conversation_engine.infra.web.event_stream import HEARTBEAT, LastFrame
from conversation_engine.kernel.errors import EngineError
from conversation_engine.turns.schemas import TurnOut
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

HEADERS: Final = {"x-vercel-ai-ui-message-stream": "v1"}
DONE: Final = b"data: [DONE]\n\n"
TEXT_PART: Final = "reply"
INTERRUPTED: Final = "The reply was interrupted. What was said so far is kept."
_FINISH_REASONS: Final = frozenset({"stop", "length", "content-filter", "tool-calls", "error", "other"})


class Narration:
    """One stream from the reply's beginning: the SDK's client builds the message anew whenever it resumes."""

    def __init__(self) -> None:
        self._is_text_open = False
        self._calls: dict[int, tuple[str, str, str]] = {}
        """Calls of tools that another door offered: id, name, and what they are called with so far."""

    def frames(self, event: TurnEvent) -> bytes:
        """What to send for an event."""
        match event:
            case TurnStarted(turn=turn):
                return _frames(_started(turn))
            case ReplyDelta(text=text):
                return _frames([*self._opened(), {"type": "text-delta", "id": TEXT_PART, "delta": text}])
            case CallBegun(index=index, call_id=call_id, name=name):
                self._calls[index] = (call_id, name, "")
                begun = {"type": "tool-input-start", "toolCallId": call_id, "toolName": name, "dynamic": True}
                return _frames([*self._closed(), begun])
            case CallDelta(index=index, text=text):
                call_id, name, so_far = self._calls[index]
                self._calls[index] = (call_id, name, so_far + text)
                return _frames([{"type": "tool-input-delta", "toolCallId": call_id, "inputTextDelta": text}])
            case TurnRestarted():
                self._is_text_open = False
                self._calls.clear()
                return _frames([{"type": "reset-step"}])
            case Heartbeat():
                return HEARTBEAT
            case TurnEnded(detail=detail):
                return LastFrame(_frames([*self._closed(), *self._called(), *_ended(detail)]) + DONE)

    def _opened(self) -> list[dict[str, Any]]:
        if self._is_text_open:
            return []
        self._is_text_open = True
        return [{"type": "text-start", "id": TEXT_PART}]

    def _closed(self) -> list[dict[str, Any]]:
        was_open, self._is_text_open = self._is_text_open, False
        return [{"type": "text-end", "id": TEXT_PART}] if was_open else []

    def _called(self) -> list[dict[str, Any]]:
        return [
            {"type": "tool-input-available", "toolCallId": call_id, "toolName": name, "input": _input(text)}
            | {"dynamic": True}
            for call_id, name, text in self._calls.values()
        ]


def broken(error: EngineError) -> bytes:
    """What to send where a stream cannot go on."""
    return _frames([{"type": "error", "errorText": error.detail}]) + DONE


def _started(turn: Turn) -> list[dict[str, Any]]:
    metadata = {"conversation_id": turn.conversation_id, "turn_id": turn.id, "model": turn.model}
    start = {"type": "start", "messageId": turn.reply_message_id, "messageMetadata": metadata}
    return [start, {"type": "start-step"}]


def _ended(detail: TurnDetail) -> list[dict[str, Any]]:
    turn = detail.turn
    told = TurnOut.of(detail).model_dump(mode="json", include={"usage", "cost", "state", "finished_at"})
    match turn.state:
        case TurnState.COMPLETED:
            finish = {"type": "finish", "finishReason": _finish_reason(detail), "messageMetadata": told}
            return [{"type": "finish-step"}, finish]
        case TurnState.CANCELLED:
            return [{"type": "message-metadata", "messageMetadata": told}, {"type": "abort", "reason": "cancelled"}]
    sentence = turn.error.detail if turn.error else INTERRUPTED
    return [{"type": "message-metadata", "messageMetadata": told}, {"type": "error", "errorText": sentence}]


def _input(text: str) -> Any:
    """What a tool is called with: JSON, unless the model made none."""
    try:
        return json.loads(text or "{}")
    except ValueError:
        return text


def _finish_reason(detail: TurnDetail) -> str:
    reason = (detail.attempts[-1].finish_reason if detail.attempts else None) or "stop"
    reason = reason.replace("_", "-")
    return reason if reason in _FINISH_REASONS else "other"


def _frames(chunks: list[dict[str, Any]]) -> bytes:
    return b"".join(
        b"data: %s\n\n" % json.dumps(chunk, ensure_ascii=False).encode(errors="replace") for chunk in chunks
    )
