"""Makes running replies durable before anybody sees them.

One writer serves every running turn of the process: what all of them said since its last commit goes into one
transaction (group commit), so the cost of durability is shared and no token waits longer than the interval plus one
commit. A turn's first words do not wait for the interval.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Set

from conversation_engine.infra.crash_points import crash_point
from conversation_engine.infra.db.database import Database, Tx
from conversation_engine.infra.observability.logs import get_logger
from conversation_engine.kernel.ids import TurnId
from conversation_engine.turns.live import LiveReply
from conversation_engine.turns.repo import Checkpoint, TurnRepo

RETRY_SECONDS = 0.5
_log = get_logger(__name__)


class ReplyLog:
    """The write-ahead log of replies. `start` before use, `aclose` after."""

    def __init__(
        self,
        database: Database,
        *,
        holder: str,
        interval_seconds: float,
        on_lost: Callable[[TurnId], None],
        on_durable: Callable[[TurnId], Awaitable[None]],
    ) -> None:
        """`on_durable` is told of each turn of which more was committed; it does not raise.

        `on_lost` is told of a turn that is no longer `holder`'s: deleted, or recovered by another process."""
        self._database = database
        self._holder = holder
        self._interval_seconds = interval_seconds
        self._on_lost = on_lost
        self._on_durable = on_durable
        self._repo = TurnRepo()
        self._is_in_doubt = False
        self._waiting: dict[TurnId, LiveReply] = {}
        self._work = asyncio.Event()
        self._urgent = asyncio.Event()
        self._flushing = asyncio.Lock()
        self._writer: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to write. Idempotent."""
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_forever(), name="reply-log")

    def note(self, reply: LiveReply) -> None:
        """`reply` has grown: make it durable soon."""
        self._waiting[reply.turn_id] = reply
        self._work.set()
        if reply.durable_length == 0:
            self._urgent.set()

    async def settle(self, reply: LiveReply) -> None:
        """Stop writing pieces of `reply`; when this returns none is on its way."""
        reply.is_sealed = True
        if self._flushing.locked():
            async with self._flushing:
                return

    async def aclose(self) -> None:
        """Stop. What is not written by now belongs to turns that are recorded or recovered whole."""
        if self._writer is not None:
            self._writer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._writer
            self._writer = None

    async def _write_forever(self) -> None:
        while True:
            await self._work.wait()
            async with self._flushing:
                delay = await self._flush()
            if self._is_in_doubt:  # nobody's first words are urgent to a store that is away
                await asyncio.sleep(delay)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._urgent.wait()

    async def _flush(self) -> float:
        self._work.clear()
        self._urgent.clear()
        waiting, self._waiting = self._waiting, {}
        growing = {
            reply.turn_id: reply
            for reply in waiting.values()
            if reply.length > reply.durable_length and not reply.is_sealed
        }
        if not growing:
            return 0
        ends = {turn_id: reply.length for turn_id, reply in growing.items()}
        for reply in growing.values():
            reply.is_checkpointed = True
        try:
            held = await self._database.write(lambda tx: self._write(tx, growing, ends))
        except Exception as error:  # noqa: BLE001 - whatever the store says, running replies wait for it
            _log.warning("checkpoint.failed", error=type(error).__name__, turns=len(growing))
            self._is_in_doubt = True
            self._waiting = waiting | self._waiting
            self._work.set()
            return RETRY_SECONDS
        crash_point("reply_log.after_commit")
        self._is_in_doubt = False
        for turn_id, reply in growing.items():
            if turn_id in held:
                reply.mark_durable(ends[turn_id])
                await self._on_durable(turn_id)
            else:
                self._on_lost(turn_id)
        return self._interval_seconds

    def _write(self, tx: Tx, growing: dict[TurnId, LiveReply], ends: dict[TurnId, int]) -> Set[TurnId]:
        """Two statements for all turns; returns those that are still ours."""
        attempts = {turn_id: reply.attempt for turn_id, reply in growing.items()}
        held = self._repo.hold(tx, attempts, holder=self._holder)
        pieces = [self._piece(tx, growing[turn_id], ends[turn_id]) for turn_id in held]
        if kept := [piece for piece in pieces if piece.text]:
            self._repo.insert_checkpoints(tx, kept)
        crash_point("reply_log.before_commit")
        return held

    def _piece(self, tx: Tx, reply: LiveReply, end: int) -> Checkpoint:
        start = reply.durable_length
        if self._is_in_doubt:  # the last commit may have happened although it was reported as failed
            start = max(start, self._repo.checkpointed_length(tx, reply.turn_id, attempt=reply.attempt))
        text = reply.text(start, end)
        return Checkpoint(turn_id=reply.turn_id, attempt=reply.attempt, start_offset=start, text=text)
