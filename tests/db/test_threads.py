"""Work on threads, for an event loop."""

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from conversation_engine.infra.db.threads import WorkerThreads


@pytest.fixture
async def one() -> AsyncIterator[WorkerThreads]:
    threads = WorkerThreads(1, name="one")
    yield threads
    await threads.aclose()


async def test_gives_what_the_work_returns_or_raises(one: WorkerThreads) -> None:
    assert await one.run(lambda: threading.current_thread().name) == "one_0"
    with pytest.raises(ZeroDivisionError):
        await one.run(lambda: 1 // 0)
    with pytest.raises(KeyboardInterrupt):
        await one.run(_interrupt)
    assert await one.run(lambda: 2) == 2


async def test_one_thread_works_in_order_and_several_at_once(one: WorkerThreads) -> None:
    done: list[int] = []
    await asyncio.gather(*(one.run(lambda number=number: done.append(number)) for number in range(50)))  # type: ignore[misc]
    assert done == list(range(50))
    two = WorkerThreads(2, name="two")
    meeting = threading.Barrier(2, timeout=10)
    await asyncio.gather(two.run(meeting.wait), two.run(meeting.wait))
    await two.aclose()


async def test_what_was_cancelled_in_time_is_left_out_and_what_has_begun_is_finished(one: WorkerThreads) -> None:
    begun, may_end, done = threading.Event(), threading.Event(), list[str]()

    def first() -> None:
        begun.set()
        may_end.wait(10)
        done.append("first")

    waiting = [asyncio.create_task(one.run(first)), asyncio.create_task(one.run(lambda: done.append("second")))]
    await asyncio.to_thread(begun.wait, 10)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    may_end.set()
    assert await one.run(lambda: list(done)) == ["first"]


def test_outlives_the_loop_that_asked() -> None:
    threads = WorkerThreads(1, name="one")
    may_end = threading.Event()

    async def ask_and_go() -> None:
        asking = asyncio.create_task(threads.run(lambda: may_end.wait(10)))
        await asyncio.sleep(0)
        asking.cancel()

    asyncio.run(ask_and_go())
    may_end.set()

    async def ask_again() -> int:
        result = await threads.run(lambda: 3)
        await threads.aclose()
        await threads.aclose()
        return result

    assert asyncio.run(ask_again()) == 3


def _interrupt() -> None:
    raise KeyboardInterrupt
