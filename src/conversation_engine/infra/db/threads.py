"""Threads that work for an event loop, without the bookkeeping of `concurrent.futures`.

`loop.run_in_executor` makes two futures, three locks and a chain of callbacks for each call. With work of half a
millisecond, five times a turn, that was 2.3 of 14.5 ms of CPU a turn (benchmarks/streaming.py, one connection).
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")

_Task = tuple[asyncio.AbstractEventLoop, "asyncio.Future[Any]", Callable[[], Any]]


class WorkerThreads:
    """As many threads as were asked for, first come, first served. They end with `aclose`, or with the process."""

    def __init__(self, count: int, *, name: str) -> None:
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self._names = [f"{name}_{number}" for number in range(count)]
        self._threads: list[Thread] = []
        self._awaited = 0

    @property
    def busy(self) -> int:
        """How many threads work now."""
        return min(self._awaited - min(self._awaited, self.waiting), len(self._names))

    @property
    def waiting(self) -> int:
        """How much work waits for a thread."""
        return self._tasks.qsize()

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` returns, or raises, on one of the threads.

        Who is cancelled while waiting does not stop work that has begun; what has not begun is left out.
        """
        if not self._threads:
            self._start()
        loop = asyncio.get_running_loop()
        result: asyncio.Future[T] = loop.create_future()
        self._tasks.put((loop, result, work))
        self._awaited += 1
        try:
            return await result
        finally:
            self._awaited -= 1

    def _start(self) -> None:
        self._threads = [Thread(target=_work, args=(self._tasks,), name=name, daemon=True) for name in self._names]
        for thread in self._threads:
            thread.start()

    async def aclose(self) -> None:
        """Let the threads end when all that is waiting is done. Idempotent; nothing may be run afterwards."""
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            await asyncio.to_thread(thread.join)
        self._threads.clear()


def _work(tasks: "SimpleQueue[_Task | None]") -> None:
    while (task := tasks.get()) is not None:
        loop, result, work = task
        if result.cancelled():
            continue
        value, error = None, None
        try:
            value = work()
        except BaseException as raised:  # noqa: BLE001 - it belongs to whoever waits
            error = raised
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_settle, result, value, error)
        del task, loop, result, work, value, error  # a thread that waits keeps nothing alive


def _settle(result: "asyncio.Future[Any]", value: Any, error: BaseException | None) -> None:
    if result.cancelled():
        return
    if error is None:
        result.set_result(value)
    else:
        result.set_exception(error)
