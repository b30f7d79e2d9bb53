"""A reply while it is being said: one text that only grows, written once, watched by anybody.

Watchers hold an offset into the shared text, never a buffer of their own, so a slow one costs nothing and a fast
one is sent whatever has become durable since it last looked.
"""

import asyncio
import io
from collections.abc import AsyncGenerator

from conversation_engine.kernel.ids import TurnId
from conversation_engine.turns.types import Heartbeat, ReplyDelta, TurnEnded, TurnEvent


class LiveReply:
    """The text of one running turn.

    `append` grows it; watchers see it up to `durable_length` only: what somebody has seen survives a crash.
    Offsets are Unicode code points. Belongs to one event loop.
    """

    def __init__(self, turn_id: TurnId, *, attempt: int) -> None:
        self.turn_id = turn_id
        self.attempt = attempt
        self.length = 0
        self.durable_length = 0
        self.ended: TurnEnded | None = None
        self.is_sealed = False
        """Nothing more may be checkpointed: the reply is about to be recorded."""
        self.is_abandoned = False
        self.is_checkpointed = False
        """Pieces of it may be in the store, whether or not their commit was heard of."""
        self._text = io.StringIO(newline="")
        self._changed = asyncio.Event()

    def append(self, text: str) -> None:
        """More of the reply, not yet durable."""
        self._text.seek(self.length)
        self._text.write(text)
        self.length += len(text)

    def text(self, start: int = 0, end: int | None = None) -> str:
        """The part between two offsets."""
        self._text.seek(start)
        return self._text.read((self.length if end is None else end) - start)

    def mark_durable(self, length: int) -> None:
        """The first `length` code points are in the store: show them."""
        self.durable_length = max(self.durable_length, length)
        self._wake()

    def end(self, event: TurnEnded) -> None:
        """The turn is recorded: nothing more will come."""
        self.ended = event
        self.durable_length = event.offset
        self._wake()

    def abandon(self) -> None:
        """The turn is no longer ours to tell about: watchers must look into the store."""
        self.is_abandoned = True
        self._wake()

    def tick(self) -> None:
        """Let watchers give a sign of life."""
        self._wake()

    async def follow(self, after: int) -> AsyncGenerator[TurnEvent, None]:
        """The text after offset `after`, then what comes, then `TurnEnded`, unless the reply is abandoned.

        Any number may follow at once.
        """
        seen = min(after, self.durable_length)
        while True:
            changed = self._changed
            if self.durable_length > seen:
                text, seen = self.text(seen, self.durable_length), self.durable_length
                yield ReplyDelta(offset=seen, text=text)
            elif self.ended is not None:
                yield self.ended
                return
            elif self.is_abandoned:
                return
            else:
                await changed.wait()
                if not self._has_news(seen):
                    yield Heartbeat()

    def _has_news(self, seen: int) -> bool:
        return self.durable_length > seen or self.ended is not None or self.is_abandoned

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
