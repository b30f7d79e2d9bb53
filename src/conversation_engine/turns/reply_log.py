"""Makes running replies durable before anybody sees them.

One writer serves every running turn of the process: what all of them said since its last commit goes into one
transaction (group commit), so the cost of durability is shared and no token waits longer than the interval plus one
commit. A turn's first words do not wait for the interval.
"""

import asyncio
import contextlib

from conversation_engine.infra.db.database import ConstraintViolation, Database
from conversation_engine.infra.observability.logs import get_logger
from conversation_engine.turns.live import LiveReply
from conversation_engine.turns.repo import Checkpoint, TurnRepo

RETRY_SECONDS = 0.5
_log = get_logger(__name__)


class ReplyLog:
    """The write-ahead log of replies. `start` before use, `aclose` after."""

    def __init__(self, database: Database, *, interval_seconds: float) -> None:
        self._database = database
        self._interval_seconds = interval_seconds
        self._repo = TurnRepo()
        self._waiting: dict[str, LiveReply] = {}
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
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._urgent.wait()

    async def _flush(self) -> float:
        self._work.clear()
        self._urgent.clear()
        waiting, self._waiting = self._waiting, {}
        pieces = {
            reply: Checkpoint(
                turn_id=reply.turn_id,
                attempt=reply.attempt,
                start_offset=reply.durable_length,
                text=reply.text(reply.durable_length),
            )
            for reply in waiting.values()
            if reply.length > reply.durable_length and not reply.is_sealed
        }
        if not pieces:
            return 0
        try:
            await self._write(pieces)
        except Exception as error:  # noqa: BLE001 - whatever the store says, running replies wait for it
            _log.warning("checkpoint.failed", error=type(error).__name__, turns=len(pieces))
            self._waiting = waiting | self._waiting
            self._work.set()
            return RETRY_SECONDS
        return self._interval_seconds

    async def _write(self, pieces: dict[LiveReply, Checkpoint]) -> None:
        """All in one transaction; if the store refuses it (a turn was deleted meanwhile), each in its own."""
        try:
            await self._database.write(lambda tx: self._repo.insert_checkpoints(tx, list(pieces.values())))
        except ConstraintViolation:
            if len(pieces) == 1:
                _log.warning("checkpoint.refused", turn_ids=[reply.turn_id for reply in pieces])
                return
            for reply, piece in pieces.items():
                await self._write({reply: piece})
            return
        for reply, piece in pieces.items():
            reply.mark_durable(piece.start_offset + len(piece.text))
