"""Replies that call tools, as they are told: their log is a transcript, and nobody outside has to read one."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing

from conversation_engine.domains.llm.transcript import Piece, TranscriptReader
from conversation_engine.turns.types import CallBegun, CallDelta, ReplyDelta, TurnEvent, TurnRestarted, TurnStarted


async def told(log: AsyncGenerator[TurnEvent, None], *, after: int = 0) -> AsyncGenerator[TurnEvent, None]:
    """The events of a turn that offers tools, from those of its log, which begins at offset 0: what is beyond `after`.

    Offsets stay those of the log, so that they are the same whoever reads them, and wherever reading goes on.
    """
    teller = _Teller(after)
    async with aclosing(log):
        async for event in log:
            match event:
                case TurnStarted(turn=turn):
                    yield TurnStarted(turn=turn, offset=after)
                    if after and turn.attempt > 1:  # as in `TurnWatch.follow`: an offset cannot tell of which attempt
                        teller = _Teller(0)
                        yield TurnRestarted(turn=turn)
                case ReplyDelta(text=text):
                    for one in teller.tell(text):
                        yield one
                case TurnRestarted():
                    teller = _Teller(0)
                    yield event
                case _:
                    yield event


class _Teller:
    def __init__(self, after: int) -> None:
        self._after = after
        self._reader = TranscriptReader()
        self._index = -1

    def tell(self, more: str) -> Iterator[TurnEvent]:
        for piece in self._reader.read(more):
            if piece.opening is not None:
                self._index += 1
            if piece.offset > self._after:
                yield self._event(piece)

    def _event(self, piece: Piece) -> TurnEvent:
        if piece.opening is not None:
            opening = piece.opening
            return CallBegun(offset=piece.offset, index=self._index, call_id=opening.call_id, name=opening.name)
        text = piece.text[-(piece.offset - self._after) :]
        if piece.is_argument:
            return CallDelta(offset=piece.offset, index=self._index, text=text)
        return ReplyDelta(offset=piece.offset, text=text)
