"""Puts new messages into the index, and wipes deleted ones from its pages."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from conversation_engine.infra.db.database import ConstraintViolation, Database, Tx
from conversation_engine.infra.observability.logs import get_logger
from conversation_engine.infra.words.messages import read
from conversation_engine.insights.search.repo import Lag, Learned, SearchRepo
from conversation_engine.insights.search.service import number_of
from conversation_engine.insights.search.types import Said
from conversation_engine.kernel.clock import Clock
from conversation_engine.kernel.ids import ConversationId

CONVERSATIONS_AT_ONCE: Final = 50
MESSAGES_AT_ONCE: Final = 100
"""Of one transaction: about 10 ms, so that turns need not wait."""
BUSY_REST_TIMES: Final = 50
"""It rests so many times as long as a step took: it may have a fiftieth of one core while turns run …"""
QUIET_REST_TIMES: Final = 3
"""… and a quarter while none does."""
WIPE_TRIES: Final = 50
_log = get_logger(__name__)


class Indexer:
    """Any process may do it, also many at once: a mark for each conversation says how far it is.

    It costs a turn nothing. What it has not come to, a search reads itself.
    """

    def __init__(self, database: Database, *, clock: Clock, seconds: float, is_busy: Callable[[], bool]) -> None:
        """Looks every `seconds`; 0: never by itself. `is_busy`: whether there is more urgent work here."""
        self._database = database
        self._clock = clock
        self._seconds = seconds
        self._is_busy = is_busy
        self._repo = SearchRepo()
        self._loop: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        if self._seconds:
            self._loop = asyncio.create_task(self._run(), name="search")

    async def aclose(self) -> None:
        """Stop looking. Idempotent."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.wait([self._loop])

    async def index(self, *, is_patient: bool = False) -> int:
        """Put everything into the index that is not there; how many messages these were. `is_patient`: with rests."""
        count = 0
        after: ConversationId | None = None

        def look(tx: Tx) -> Sequence[Lag]:
            return self._repo.list_lagging(tx, after=after, count=CONVERSATIONS_AT_ONCE)

        while True:
            begun = self._clock.monotonic()
            lagging = await self._database.read(look)
            step = await self._learn(lagging) if lagging else None
            if is_patient:
                await asyncio.sleep((self._clock.monotonic() - begun) * self._rest_times)
            if step is None:  # all is there, somebody else is at it, or something was deleted meanwhile
                return count
            count += step.messages
            after = step.whole_through or after

    async def scrub(self) -> None:
        """Wipe what deleted messages left in the index, and in the log of changes."""
        if not await self._database.read(self._repo.is_anything_gone):
            return
        while await self._database.write(self._repo.scrub):
            pass  # each step is a transaction of its own, so that turns are written in between
        for _ in range(WIPE_TRIES):
            if await self._database.wipe_log():
                return
            await asyncio.sleep(0.1)

    @property
    def _rest_times(self) -> int:
        return BUSY_REST_TIMES if self._is_busy() else QUIET_REST_TIMES

    async def _learn(self, lagging: Sequence[Lag]) -> "_Step | None":
        missing = await self._database.read(lambda tx: self._repo.list_missing(tx, lagging, count=MESSAGES_AT_ONCE))
        marks = _marks(lagging, missing)
        readers = {lag.conversation_id: lag for lag in lagging}
        learned = await asyncio.to_thread(lambda: [_learned(one, readers[one.conversation_id]) for one in missing])
        with suppress(ConstraintViolation):
            if await self._database.write(lambda tx: self._repo.learn(tx, learned, marks)):
                whole = [lag.conversation_id for lag in lagging if _is_whole(lag, marks)]
                return _Step(len(learned), whole[-1] if whole else None)
        return None

    async def _run(self) -> None:
        wait = self._seconds
        while True:
            await asyncio.sleep(wait)
            begun = self._clock.monotonic()
            try:
                await self.index(is_patient=True)
                begun = self._clock.monotonic()  # it has rested after each step
                await self.scrub()
            except Exception as error:  # noqa: BLE001 - a chore must outlive the store's bad minutes
                _log.warning("chore.failed", chore="search", error=type(error).__name__)
            wait = max(self._seconds, (self._clock.monotonic() - begun) * self._rest_times)


class _Step(NamedTuple):
    messages: int
    whole_through: ConversationId | None
    """The last conversation of which everything is in the index now."""


def _is_whole(lag: Lag, marks: Mapping[ConversationId, tuple[int, int]]) -> bool:
    return lag.conversation_id in marks and marks[lag.conversation_id][1] >= lag.last_sequence


def _marks(lagging: Sequence[Lag], missing: Sequence[Said]) -> dict[ConversationId, tuple[int, int]]:
    """From where to where each conversation is read; of those that the page had no room for, nothing."""
    is_whole = len(missing) < MESSAGES_AT_ONCE
    last = {one.conversation_id: one.sequence_number for one in missing}
    open_ended = missing[-1].conversation_id if missing and not is_whole else None
    marks: dict[ConversationId, tuple[int, int]] = {}
    for lag in lagging:
        if open_ended is None or lag.conversation_id < open_ended:
            # Behind the last message there may be gaps of deleted ones.
            marks[lag.conversation_id] = (lag.through, max(lag.last_sequence, last.get(lag.conversation_id, 0)))
        elif lag.conversation_id == open_ended:
            marks[lag.conversation_id] = (lag.through, last[lag.conversation_id])
    return marks


def _learned(said: Said, lag: Lag) -> Learned:
    words = read(said.text)
    readers = {said.owner_id} if lag.supervisor_id is None else {said.owner_id, lag.supervisor_id}
    return Learned(
        message_id=said.message_id,
        number=number_of(said.created_at, said.message_id),
        readers=readers,
        words=[word.folded for word in words],
        stems=[word.stem for word in words],
    )
