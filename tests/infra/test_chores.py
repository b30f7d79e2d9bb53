"""What is done over and over goes on whatever happens, and takes no more than its share."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from conversation_engine.infra.chores import FIRST_RETRY_SECONDS, Chore, pause


class Pauses:
    """A subscription that waits for nobody, remembers how long it should have, and stands still at the end."""

    payload = ""

    def __init__(self, *, most: int) -> None:
        self.asked: list[float] = []
        self.is_open = False
        self.over = asyncio.Event()
        self._most = most

    async def wait(self, timeout_seconds: float) -> bool:
        self.asked.append(timeout_seconds)
        if len(self.asked) == self._most:
            self.over.set()
            await asyncio.Event().wait()
        return True

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Pauses"]:
        self.is_open = True
        try:
            yield self
        finally:
            self.is_open = False


class Work:
    """Does as it is told, round by round; then it has nothing to do."""

    def __init__(self, *told: bool | Exception | Callable[[], None]) -> None:
        self.rounds = 0
        self._told = list(told)

    async def __call__(self) -> bool:
        self.rounds += 1
        told = self._told.pop(0) if self._told else False
        if isinstance(told, Exception):
            raise told
        if callable(told):
            told()
            return False
        return told


async def pauses_of(work: Work, *, rounds: int, seconds: float = 60.0, rest: float = 0.0, late: bool = False) -> Pauses:
    """Let it work so many rounds; the pauses that it asked for."""
    hints = Pauses(most=rounds + late)
    chore = Chore("test", work, seconds=seconds, rest_times=lambda: rest, hints=hints.open, is_first_at_once=not late)
    chore.start()
    async with asyncio.timeout(10):
        await hints.over.wait()
    await chore.aclose()
    return hints


def busy(seconds: float) -> Callable[[], None]:
    """Keeps the loop for so long."""

    def work() -> None:
        now = asyncio.get_running_loop().time
        end = now() + seconds
        while now() < end:
            pass

    return work


class TestRounds:
    async def test_are_that_far_apart(self) -> None:
        work = Work()
        assert (await pauses_of(work, rounds=3)).asked == [60.0] * 3
        assert work.rounds == 3

    async def test_the_first_may_wait(self) -> None:
        work = Work()
        assert (await pauses_of(work, rounds=2, late=True)).asked == [60.0] * 3
        assert work.rounds == 2

    async def test_that_leave_more_to_do_are_followed_at_once_but_for_the_rest(self) -> None:
        asked = (await pauses_of(Work(True, True, False), rounds=3, rest=0.0)).asked
        assert asked == [0.0, 0.0, 60.0]

    async def test_that_took_long_are_followed_by_a_rest_in_proportion(self) -> None:
        first, second = (await pauses_of(Work(busy(0.01)), rounds=2, seconds=0.01, rest=50)).asked
        assert first >= 0.5
        assert second < first

    async def test_are_never_done_where_the_seconds_are_none(self) -> None:
        work = Work()
        chore = Chore("test", work, seconds=0)
        chore.start()
        await asyncio.sleep(0)
        await chore.aclose()
        assert work.rounds == 0

    async def test_begin_when_somebody_says_so(self) -> None:
        done = asyncio.Semaphore(0)

        async def work() -> None:
            done.release()

        chore = Chore("test", work, seconds=3600)
        chore.start()
        async with asyncio.timeout(10):
            await done.acquire()
            chore.wake()
            await done.acquire()
        await chore.aclose()


class TestFailures:
    async def test_are_logged_and_followed_by_another_try_soon(self, caplog: pytest.LogCaptureFixture) -> None:
        work = Work(OSError("away"), OSError("away"), False)
        first, second, third = (await pauses_of(work, rounds=3)).asked
        assert FIRST_RETRY_SECONDS / 2 <= first <= FIRST_RETRY_SECONDS <= second <= 2 * FIRST_RETRY_SECONDS
        assert third == 60.0
        assert [record.getMessage() for record in caplog.records] == ["chore.failed"] * 2
        assert "away" not in str([vars(record) for record in caplog.records])  # it may hold what people said

    @pytest.mark.parametrize("luck", [0.0, 0.5, 1.0])
    def test_in_a_row_make_the_pauses_twice_as_long_up_to_the_usual_one(self, luck: float) -> None:
        pauses = [pause(60, failures=number, luck=luck) for number in range(1, 2000)]
        assert pauses[1] == 2 * pauses[0]
        assert pauses == sorted(pauses)
        assert max(pauses) == pauses[-1] == 60 * (1 + luck) / 2

    def test_are_never_a_reason_to_come_later(self) -> None:
        assert pause(0.1, failures=9, luck=1.0) == 0.1


class TestClosing:
    async def test_stops_in_the_middle_and_leaves_what_it_listened_to(self) -> None:
        hints, begun = Pauses(most=9), asyncio.Event()

        async def work() -> None:
            begun.set()
            await asyncio.Event().wait()

        chore = Chore("test", work, seconds=1, hints=hints.open)
        await chore.aclose()  # not begun yet
        chore.start()
        chore.start()
        await begun.wait()
        assert hints.is_open
        await chore.aclose()
        await chore.aclose()
        assert not hints.is_open
