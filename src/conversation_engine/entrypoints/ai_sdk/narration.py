"""A turn's events as chunks of the UI message stream."""

import json
from collections.abc import Sequence
from typing import Any, Final

from conversation_engine.entrypoints.ai_sdk.messages import UiMessageOut
from conversation_engine.entrypoints.ai_sdk.parts_out import (
    NO_JSON,
    UiPart,
    UiSourcePart,
    UiStepPart,
    UiTextPart,
    UiToolPart,
    input_of,
)
from conversation_engine.infra.web.event_stream import HEARTBEAT, LastFrame
from conversation_engine.kernel.errors import EngineError
from conversation_engine.turns.rag.service import Source
from conversation_engine.turns.schemas import TurnOut
from conversation_engine.turns.types import (
    CallBegun,
    CallDelta,
    Heartbeat,
    ReplyDelta,
    Turn,
    TurnDetail,
    TurnRestarted,
    TurnStarted,
    TurnState,
)

HEADERS: Final = {"x-vercel-ai-ui-message-stream": "v1"}
DONE: Final = b"data: [DONE]\n\n"
TEXT_PART: Final = "reply"
INTERRUPTED: Final = "The reply was interrupted. What was said so far is kept."
_FINISH_REASONS: Final = frozenset({"stop", "length", "content-filter", "tool-calls", "error", "other"})
Chunk = dict[str, Any]
TurnGoing = TurnStarted | TurnRestarted | ReplyDelta | CallBegun | CallDelta | Heartbeat


class Narration:
    """One stream from the reply's beginning: the SDK's client builds the message anew whenever it resumes."""

    def __init__(self, *, message_id: str | None = None, before: UiMessageOut | None = None) -> None:
        """`message_id`: of the message that the page goes on with. `before`: its steps so far, where it has to be told
        of them, too."""
        self._message_id = before.id if before else message_id
        self._before = before
        self._is_text_open = False
        self._call: tuple[str, str, list[str]] | None = None
        """The call that is being made: id, name, and what it is called with so far."""

    def frames(self, event: TurnGoing) -> bytes:
        """What to send for an event before the last."""
        match event:
            case TurnStarted(turn=turn):
                return _frames(self._started(turn))
            case ReplyDelta(text=text):
                return _frames([*self._opened(), {"type": "text-delta", "id": TEXT_PART, "delta": text}])
            case CallBegun(call_id=call_id, name=name):
                begun = [*self._closed(), {"type": "tool-input-start", "toolCallId": call_id, "toolName": name}]
                self._call = (call_id, name, [])
                return _frames(begun)
            case CallDelta(text=text):
                return _frames(self._called_with(text))
            case TurnRestarted():
                self._is_text_open, self._call = False, None
                return _frames([{"type": "reset-step"}])
            case Heartbeat():
                return HEARTBEAT

    def last_frame(self, detail: TurnDetail, sources: Sequence[Source]) -> LastFrame:
        """What to send at the end, with what the reply was given of documents."""
        if detail.turn.state is not TurnState.COMPLETED:  # a call that is not whole is nobody's to make
            self._call = None
        named = [_of_source(UiSourcePart.of(source)) for source in sources if source.is_cited]
        return LastFrame(_frames([*self._closed(), *named, *_ended(detail)]) + DONE)

    def _started(self, turn: Turn) -> list[Chunk]:
        metadata = {"conversation_id": turn.conversation_id, "turn_id": turn.id, "model": turn.model}
        key = self._message_id or turn.reply_message_id
        start = {"type": "start", "messageId": key, "messageMetadata": metadata}
        told = _steps(self._before.parts) if self._before else []
        return [start, *told, {"type": "start-step"}]

    def _opened(self) -> list[Chunk]:
        if self._is_text_open:
            return []
        before = self._closed()
        self._is_text_open = True
        return [*before, {"type": "text-start", "id": TEXT_PART}]

    def _called_with(self, text: str) -> list[Chunk]:
        if self._call is None:
            raise AssertionError("a call is open where its arguments are told")
        call_id, _, so_far = self._call
        so_far.append(text)
        return [{"type": "tool-input-delta", "toolCallId": call_id, "inputTextDelta": text}]

    def _closed(self) -> list[Chunk]:
        """The end of what is being said; a call that is whole is the page's to make."""
        was_open, self._is_text_open = self._is_text_open, False
        call, self._call = self._call, None
        closed: list[Chunk] = [{"type": "text-end", "id": TEXT_PART}] if was_open else []
        return closed if call is None else [*closed, _called(call[0], call[1], "".join(call[2]))]


def broken(error: EngineError) -> bytes:
    """What to send where a stream cannot go on."""
    return _frames([{"type": "error", "errorText": error.detail}]) + DONE


def _steps(parts: Sequence[UiPart]) -> list[Chunk]:
    """What was said before, step by step."""
    told: list[Chunk] = [{"type": "start-step"}]
    for place, part in enumerate(parts):
        match part:
            case UiStepPart():
                told += [{"type": "finish-step"}, {"type": "start-step"}]
            case UiTextPart(text=text):
                key = f"{TEXT_PART}-{place}"
                told += [{"type": "text-start", "id": key}, {"type": "text-delta", "id": key, "delta": text}]
                told.append({"type": "text-end", "id": key})
            case UiToolPart():
                told += _of_call(part)
            case UiSourcePart():
                told.append(_of_source(part))
    return [*told, {"type": "finish-step"}]


def _of_call(part: UiToolPart) -> list[Chunk]:
    """A call that was made: not told as `tool-input-available`, upon which the page would make it again."""
    call_id = {"toolCallId": part.tool_call_id}
    text = part.input if isinstance(part.input, str) else json.dumps(part.input, ensure_ascii=False)
    told: list[Chunk] = [
        {"type": "tool-input-start", **call_id, "toolName": part.type.removeprefix("tool-")},
        {"type": "tool-input-delta", **call_id, "inputTextDelta": text},
    ]
    match part.state:
        case "output-available":
            return [*told, {"type": "tool-output-available", **call_id, "output": part.output}]
        case "output-error":
            return [*told, {"type": "tool-output-error", **call_id, "errorText": part.error_text}]
        case "input-available":
            return told


def _called(call_id: str, name: str, arguments: str) -> Chunk:
    given, is_json = input_of(arguments)
    call = {"toolCallId": call_id, "toolName": name, "input": given}
    if is_json:
        return {"type": "tool-input-available", **call}
    return {"type": "tool-input-error", **call, "errorText": NO_JSON}


def _of_source(part: UiSourcePart) -> Chunk:
    return part.model_dump(by_alias=True)


def _ended(detail: TurnDetail) -> list[Chunk]:
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


def _finish_reason(detail: TurnDetail) -> str:
    reason = (detail.attempts[-1].finish_reason if detail.attempts else None) or "stop"
    reason = reason.replace("_", "-")
    return reason if reason in _FINISH_REASONS else "other"


def _frames(chunks: Sequence[Chunk]) -> bytes:
    return b"".join(
        b"data: %s\n\n" % json.dumps(chunk, ensure_ascii=False).encode(errors="replace") for chunk in chunks
    )
