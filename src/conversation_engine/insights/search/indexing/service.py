"""Puts new messages into the index, and wipes deleted ones from its pages."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from conversation_engine.infra.chores import BESIDE_TURNS, Chore
from conversation_engine.infra.db.database import ConstraintViolation, Database
from conversation_engine.infra.db.finding import INDEX
from conversation_engine.infra.db.scrubbing import scrub
from conversation_engine.infra.words.messages import words_and_stems
from conversation_engine.insights.search.repo import Lag, Learned, SearchRepo
from conversation_engine.insights.search.service import number_of
from conversation_engine.insights.search.types import Said
from conversation_engine.kernel.ids import ConversationId

CONVERSATIONS_AT_ONCE: Final = 50
MESSAGES_AT_ONCE: Final = 100
"""Of one transaction: about 10 ms, so that turns need not wait."""
QUIET_REST_TIMES: Final = 3
"""It may have a quarter of one core while no turn runs."""


class Indexer:
    """Any process may do it, also many at once: a mark for each conversation says how far it is.

    It costs a turn nothing. What it has not come to, a search reads itself.
    """

    def __init__(self, database: Database, *, seconds: float, is_busy: Callable[[], bool]) -> None:
        """Looks every `seconds`; 0: never by itself. `is_busy`: whether there is more urgent work here."""
        self._database = database
        self._repo = SearchRepo()
        self._place = _Step()
        self.chore = Chore(
            "search",
            self._go_on,
            seconds=seconds,
            rest_times=lambda: BESIDE_TURNS if is_busy() else QUIET_REST_TIMES,
            is_first_at_once=False,
        )

    async def index(self) -> int:
        """Put everything into the index that is not there; how many messages these were."""
        count, step = 0, await self._step(_Step())
        while step is not None:
            count += step.messages
            step = await self._step(step)
        return count

    async def scrub(self) -> None:
        """Wipe what deleted messages left in the index and in the log; while somebody reads that, in a later round."""
        gone = await self._database.read(self._repo.count_gone)
        if gone and await scrub(self._database, only=INDEX):
            await self._database.write(lambda tx: self._repo.forget_gone(tx, gone))

    async def _go_on(self) -> bool:
        """A step of a round through all conversations; whether there may be another."""
        step = await self._step(self._place)
        self._place = step or _Step()
        if step is None:
            await self.scrub()
        return step is not None

    async def _step(self, last: "_Step") -> "_Step | None":
        """`None`: all is there, somebody else is at it, or something was deleted meanwhile."""
        after = last.whole_through
        lagging = await self._database.read(
            lambda tx: self._repo.list_lagging(tx, after=after, count=CONVERSATIONS_AT_ONCE)
        )
        if not lagging:
            return None
        missing = await self._database.read(lambda tx: self._repo.list_missing(tx, lagging, count=MESSAGES_AT_ONCE))
        marks = _marks(lagging, missing)
        readers = {lag.conversation_id: lag for lag in lagging}
        learned = await asyncio.to_thread(lambda: [_learned(one, readers[one.conversation_id]) for one in missing])
        with suppress(ConstraintViolation):
            if await self._database.write(lambda tx: self._repo.learn(tx, learned, marks)):
                whole = [lag.conversation_id for lag in lagging if _is_whole(lag, marks)]
                return _Step(len(learned), whole[-1] if whole else after)
        return None


class _Step(NamedTuple):
    messages: int = 0
    whole_through: ConversationId | None = None
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
    words, stems = words_and_stems(said.text)
    readers = {said.owner_id} if lag.supervisor_id is None else {said.owner_id, lag.supervisor_id}
    return Learned(
        message_id=said.message_id,
        number=number_of(said.created_at, said.message_id),
        readers=readers,
        words=words,
        stems=stems,
    )
