"""Streams of turns: live where they run, from the store elsewhere and ever after."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import partial
from typing import Final

from conversation_engine.domains.llm.transcript import transcript_of
from conversation_engine.infra.db.database import Database, Tx
from conversation_engine.infra.signals.ports import Signals
from conversation_engine.turns.live import LiveReply
from conversation_engine.turns.repo import TurnRepo
from conversation_engine.turns.runner import TurnRunner
from conversation_engine.turns.state import is_final
from conversation_engine.turns.topics import turn_topic
from conversation_engine.turns.types import (
    Heartbeat,
    ReplyDelta,
    Turn,
    TurnDetail,
    TurnEnded,
    TurnEvent,
    TurnRestarted,
    TurnStarted,
)

REMOTE_POLL_SECONDS: Final = 0.25
"""How often a turn that runs in another process is looked at, unasked, while somebody here watches it."""
HINTED_POLL_SECONDS: Final = 1.0
"""The same while that process can tell us when to look."""


class TurnWatch:
    """Any number may watch one turn, from any offset, on any process."""

    def __init__(
        self,
        database: Database,
        *,
        runner: TurnRunner,
        signals: Signals,
        detail_of: Callable[[Tx, Turn], TurnDetail],
        heartbeat_seconds: float,
    ) -> None:
        self._database = database
        self._runner = runner
        self._signals = signals
        self._detail_of = detail_of
        self._heartbeat_seconds = heartbeat_seconds
        self._repo = TurnRepo()

    async def follow(self, turn: Turn, *, after: int = 0) -> AsyncGenerator[TurnEvent, None]:
        """`TurnStarted`, the reply's text after offset `after`, what comes, `TurnEnded`.

        `TurnRestarted` in between means that the reply begins anew, from offset 0; who resumes a turn that was
        restarted is told so first.
        """
        yield TurnStarted(turn=turn, offset=after)
        attempt, seen = turn.attempt, after
        if after and attempt > 1:  # the beginning may be one that another attempt said: an offset cannot tell
            yield TurnRestarted(turn=turn)
            seen = 0
        while True:
            live = self._live(turn, attempt)
            source = self._stored(turn, attempt, seen) if live is None else live.follow(seen)
            async with aclosing(source) as events:
                async for event in events:
                    yield event
                    match event:
                        case TurnEnded():
                            return
                        case ReplyDelta(offset=offset):
                            seen = offset
                        case TurnRestarted(turn=again):
                            attempt, seen = again.attempt, 0

    async def _stored(self, turn: Turn, attempt: int, after: int) -> AsyncGenerator[TurnEvent, None]:
        """A turn of the past, in line, or of another process, until it runs here or has ended."""
        seen, silent_seconds = after, 0.0
        async with self._signals.subscribe(turn_topic(turn.id)) as hints:
            while self._live(turn, attempt) is None:
                for event in await self._database.read(partial(self._news, turn=turn, attempt=attempt, after=seen)):
                    silent_seconds = 0.0
                    yield event
                    match event:
                        case TurnEnded() | TurnRestarted():
                            return
                        case ReplyDelta(offset=offset):
                            seen = offset
                pause = HINTED_POLL_SECONDS if self._signals.is_shared else REMOTE_POLL_SECONDS
                if not await hints.wait(pause):
                    silent_seconds += pause
                if silent_seconds >= self._heartbeat_seconds:
                    silent_seconds = 0.0
                    yield Heartbeat()

    def _live(self, turn: Turn, attempt: int) -> LiveReply | None:
        """The reply of a turn that runs here, until it ends or is lost to another process."""
        run = self._runner.find(turn.id)
        if run is None or run.turn.attempt != attempt or run.live.is_abandoned:
            return None
        return run.live

    def _news(self, tx: Tx, *, turn: Turn, attempt: int, after: int) -> list[TurnEvent]:
        """What is new in the store. Two statements while the turn runs, two for one that is known to have ended."""
        now = turn if is_final(turn.state) else self._repo.find(tx, turn.id)
        if now is not None and now.attempt != attempt:
            return [TurnRestarted(turn=now)]
        if now is not None and not is_final(now.state):
            text = self._repo.checkpointed_after(tx, turn.id, attempt=attempt, offset=after)
            return [ReplyDelta(offset=after + len(text), text=text)] if text else []
        detail = self._detail_of(tx, now or turn)
        content = transcript_of(detail.reply.content) if detail.reply else ""
        ended = TurnEnded(detail=detail, offset=len(content))
        return [ReplyDelta(offset=len(content), text=content[after:]), ended] if content[after:] else [ended]
