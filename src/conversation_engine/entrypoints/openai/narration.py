"""A turn's events as Responses stream them.

`sequence_number` is made from the reply's own offsets, so it is the same whenever and wherever a stream is read and
however the text comes in pieces: `OPENING` numbers for what precedes the text, then the number of code points, then
what follows. It only grows, with gaps. A reply that is begun anew counts on from the next multiple of `STRIDE`, with
another `response.created`.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

from conversation_engine.entrypoints.openai.error_shape import error_of
from conversation_engine.entrypoints.openai.ids import MESSAGE, shown
from conversation_engine.entrypoints.openai.items import output_item, text_part
from conversation_engine.entrypoints.openai.response_objects import item_status, response_of, running
from conversation_engine.infra.web.event_stream import HEARTBEAT, frame
from conversation_engine.kernel.errors import EngineError
from conversation_engine.turns.types import (
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
        self._is_open = False
        self._is_in_progress = False
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
                self._offset, self._is_open, self._is_in_progress = 0, False, False
                return b"".join(self._created(turn))
            case ReplyDelta(offset=offset, text=text):
                return b"".join(self._opened()) + self._delta(offset, text)
            case Heartbeat():
                return HEARTBEAT
            case TurnEnded(detail=detail, offset=offset):
                self.is_over = True
                return b"".join(self._ended(detail, offset)) + DONE

    def _began(self, turn: Turn) -> None:
        self._base = (turn.attempt - 1) * STRIDE
        self._turn = turn
        item = json.dumps(shown(MESSAGE, turn.reply_message_id))
        # A delta is on the path of every word: only text and number are put into what stands already.
        self._before_text = (
            'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","item_id":'
            f'{item},"output_index":0,"content_index":0,"logprobs":[],"delta":'
        )

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

    def _opened(self) -> Iterator[bytes]:
        """What precedes the first text."""
        if self._is_open:
            return
        self._is_open = True
        yield from self._in_progress()
        item = output_item(self._turn.reply_message_id, None, status="in_progress")
        yield self._event("response.output_item.added", ITEM_ADDED, output_index=0, item=item)
        yield self._event("response.content_part.added", OPENING, **self._place(), part=text_part(""))

    def _delta(self, offset: int, text: str) -> bytes:
        number = self._base + OPENING + offset
        missing = number - self._seen
        self._offset = offset
        if missing <= 0:
            return b""
        said = _ENCODE(text[-missing:] if missing < len(text) else text)
        return f'{self._before_text}{said},"sequence_number":{number}}}\n\n'.encode(errors="replace")

    def _ended(self, detail: TurnDetail, length: int) -> Iterator[bytes]:
        self._turn = detail.turn
        if detail.reply is not None:
            yield from self._opened()
            yield from self._closed(detail, str(detail.reply.content), OPENING + length)
        response = response_of(detail, is_stored=self._is_stored)
        if response["error"]:
            yield self._event("error", OPENING + length + 4, **response["error"], param=None)
        yield self._tell(_TERMINAL[response["status"]], OPENING + length + 5, _ENCODE(response))

    def _closed(self, detail: TurnDetail, text: str, last: int) -> Iterator[bytes]:
        place = self._place()
        item = output_item(self._turn.reply_message_id, text, status=item_status(detail))
        yield self._event("response.output_text.done", last + 1, **place, text=text, logprobs=[])
        yield self._event("response.content_part.done", last + 2, **place, part=text_part(text))
        yield self._event("response.output_item.done", last + 3, output_index=0, item=item)

    def _place(self) -> dict[str, Any]:
        return {"item_id": shown(MESSAGE, self._turn.reply_message_id), "output_index": 0, "content_index": 0}

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
