"""A turn's events as Responses stream them.

A reply that calls functions is several items. What closes one and opens the next takes numbers out of those of the mark
that stands between them in the reply's transcript, which is longer.

`sequence_number` is made from the reply's own offsets, so it is the same whenever and wherever a stream is read and
however the text comes in pieces: `OPENING` numbers for what precedes the text, then the number of code points, then
what follows. It only grows, with gaps. A reply that is begun anew counts on from the next multiple of `STRIDE`, with
another `response.created`.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

from conversation_engine.domains.llm.parts import ToolCall
from conversation_engine.entrypoints.openai.error_shape import error_of
from conversation_engine.entrypoints.openai.ids import FUNCTION_CALL, MESSAGE, item_id
from conversation_engine.entrypoints.openai.items import call_output, output_item, text_part
from conversation_engine.entrypoints.openai.response_objects import item_status, response_of, running
from conversation_engine.infra.web.event_stream import HEARTBEAT, LastFrame, frame
from conversation_engine.kernel.errors import EngineError
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
STRIDE: Final = 1_000_000_000
"""More than any reply is long."""
CREATED, QUEUED, IN_PROGRESS, ITEM_ADDED, OPENING = range(5)
CLOSING: Final = 4
"""More numbers than an item takes to close."""
_ENCODE: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
"""Made once: `json.dumps` makes one a call where it is told anything."""
_TERMINAL: Final = {
    "completed": "response.completed",
    "failed": "response.failed",
    "incomplete": "response.incomplete",
    "cancelled": "response.incomplete",
}
"""The dialect has no event of its own for a response that was cancelled."""


def offset_after(turn: Turn, starting_after: int | None) -> int:
    """From which offset a turn has to be followed for a stream that goes on after a number."""
    if starting_after is None or turn.attempt > 1:  # the number may be one of an earlier beginning
        return 0
    if turn.sampling.tools is not None:  # which item it is in, only what comes before tells
        return 0
    return max(0, starting_after - OPENING)


def broken(error: EngineError) -> bytes:
    """The end of a stream that broke off."""
    told = error_of(error, is_open=True)["error"]
    body = {"type": "error", "code": told["code"], "message": told["message"], "param": None, "sequence_number": STRIDE}
    return frame(event="error", data=json.dumps(body).encode()) + DONE


class Narration:
    """One stream of one response, of what comes after `starting_after`."""

    def __init__(self, turn: Turn, *, starting_after: int | None, is_stored: bool) -> None:
        self._turn = turn
        self._is_stored = is_stored
        self._seen = -1 if starting_after is None else starting_after
        self._offset = offset_after(turn, starting_after)
        self._is_in_progress = False
        self._item: _Item | None = None
        self.is_over = False
        """Whether everything was told."""
        self._began(turn)

    def frames(self, event: TurnEvent) -> bytes:
        """What a client is sent of an event; may be nothing."""
        match event:
            case TurnStarted(turn=turn):
                return b"".join(self._created(turn))
            case TurnRestarted(turn=turn):
                self._began(turn)
                self._offset, self._item, self._is_in_progress = 0, None, False
                return b"".join(self._created(turn))
            case ReplyDelta(offset=offset, text=text):
                return b"".join(self._text_open()) + self._delta(offset, text)
            case CallBegun(offset=offset, call_id=call_id, name=name):
                return b"".join(self._call_open(offset, call_id, name))
            case CallDelta(offset=offset, text=text):
                return self._delta(offset, text)
            case Heartbeat():
                return HEARTBEAT
            case TurnEnded(detail=detail, offset=offset):
                self.is_over = True
                return LastFrame(b"".join(self._ended(detail, offset)) + DONE)

    def _began(self, turn: Turn) -> None:
        self._base = (turn.attempt - 1) * STRIDE
        self._turn = turn

    def _created(self, turn: Turn) -> Iterator[bytes]:
        if turn.state is TurnState.QUEUED:
            queued = _ENCODE(running(turn, is_stored=self._is_stored, state=TurnState.QUEUED))
            yield self._tell("response.created", CREATED, queued)
            yield self._tell("response.queued", QUEUED, queued)
            return
        # The same in both, and much of what a short stream costs: put into JSON once.
        first = _ENCODE(running(turn, is_stored=self._is_stored))
        self._is_in_progress = True
        yield self._tell("response.created", CREATED, first)
        yield self._tell("response.in_progress", IN_PROGRESS, first)

    def _in_progress(self) -> Iterator[bytes]:
        if not self._is_in_progress:
            self._is_in_progress = True
            response = _ENCODE(running(self._turn, is_stored=self._is_stored))
            yield self._tell("response.in_progress", IN_PROGRESS, response)

    def _text_open(self) -> Iterator[bytes]:
        """What precedes text."""
        before = self._item
        if before is not None and before.call is None:
            return
        added = ITEM_ADDED
        if before is None:
            yield from self._in_progress()
        else:
            yield from self._closed(before, status="completed")
            added = OPENING + self._offset + CLOSING
        item = self._item = self._next(None)
        whole = output_item(self._turn.reply_message_id, None, status="in_progress", place=item.place)
        yield self._event("response.output_item.added", added, output_index=item.place, item=whole)
        yield self._event("response.content_part.added", added + 1, **item.told, part=text_part(""))

    def _call_open(self, offset: int, call_id: str, name: str) -> Iterator[bytes]:
        """What precedes the arguments of a call."""
        yield from self._in_progress()
        if self._item is not None:
            yield from self._closed(self._item, status="completed")
        item = self._item = self._next(ToolCall(id=call_id, name=name, arguments=""))
        yield self._event(
            "response.output_item.added",
            OPENING + self._offset + CLOSING,
            output_index=item.place,
            item=self._whole(item, status="in_progress"),
        )
        self._offset = offset

    def _next(self, call: ToolCall | None) -> "_Item":
        place = 0 if self._item is None else self._item.place + 1
        key = item_id(MESSAGE if call is None else FUNCTION_CALL, self._turn.reply_message_id, place)
        told = {"item_id": key, "output_index": place} | ({"content_index": 0} if call is None else {})
        kind = "response.output_text.delta" if call is None else "response.function_call_arguments.delta"
        fields = _ENCODE({"type": kind, **told, **({"logprobs": []} if call is None else {})})
        # A delta is on the path of every word: only text and number are put into what stands already.
        return _Item(place=place, call=call, told=told, before=f'event: {kind}\ndata: {fields[:-1]},"delta":')

    def _delta(self, offset: int, text: str) -> bytes:
        item = self._item
        if item is None:
            raise AssertionError("an item is open where something is said")
        number = self._base + OPENING + offset
        missing = number - self._seen
        self._offset = offset
        if self._turn.sampling.tools is not None:
            item.said.append(text)
        if missing <= 0:
            return b""
        said = _ENCODE(text[-missing:] if missing < len(text) else text)
        return f'{item.before}{said},"sequence_number":{number}}}\n\n'.encode(errors="replace")

    def _ended(self, detail: TurnDetail, length: int) -> Iterator[bytes]:
        self._turn, self._offset = detail.turn, length
        if detail.reply is not None:
            if self._item is None:
                yield from self._text_open()
            yield from self._last_closed(detail)
        response = response_of(detail, is_stored=self._is_stored)
        if response["error"]:
            yield self._event("error", OPENING + length + CLOSING, **response["error"], param=None)
        yield self._tell(_TERMINAL[response["status"]], OPENING + length + CLOSING + 1, _ENCODE(response))

    def _last_closed(self, detail: TurnDetail) -> Iterator[bytes]:
        item = self._item
        if item is None or detail.reply is None:
            return
        if isinstance(detail.reply.content, str):
            item.said = [detail.reply.content]
        yield from self._closed(item, status=item_status(detail))

    def _closed(self, item: "_Item", *, status: str) -> Iterator[bytes]:
        last, text = OPENING + self._offset, "".join(item.said)
        whole = self._whole(item, status=status)
        if item.call is None:
            yield self._event("response.output_text.done", last + 1, **item.told, text=text, logprobs=[])
            yield self._event("response.content_part.done", last + 2, **item.told, part=text_part(text))
        else:
            done = {**item.told, "name": item.call.name, "arguments": text}
            yield self._event("response.function_call_arguments.done", last + 2, **done)
        yield self._event("response.output_item.done", last + 3, output_index=item.place, item=whole)

    def _whole(self, item: "_Item", *, status: str) -> dict[str, Any]:
        message_id, text = self._turn.reply_message_id, "".join(item.said)
        if item.call is None:
            return output_item(message_id, text, status=status, place=item.place)
        return call_output(message_id, replace(item.call, arguments=text), item.place, status=status)

    def _tell(self, kind: str, number: int, response: str) -> bytes:
        return self._framed(kind, number, f'"response":{response}')

    def _event(self, kind: str, number: int, **fields: Any) -> bytes:
        return self._framed(kind, number, _ENCODE(fields)[1:-1])

    def _framed(self, kind: str, number: int, fields: str) -> bytes:
        number += self._base
        if number <= self._seen:
            return b""
        data = f'{{"type":"{kind}",{fields},"sequence_number":{number}}}'
        return frame(event=kind, data=data.encode(errors="replace"))


@dataclass(slots=True, kw_only=True)
class _Item:
    """The item that is being said."""

    place: int
    """Among the response's items."""
    call: ToolCall | None
    """Without its arguments; `None`: text."""
    told: dict[str, Any]
    """Where it is, for its events."""
    before: str
    """What stands before the text of a delta."""
    said: list[str] = field(default_factory=list)
    """In pieces; of turns that offer no tools the reply says it."""
