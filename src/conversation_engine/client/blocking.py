"""The same client for code that waits: nothing is written twice."""

import queue
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from conversation_engine.client.client import Client
from conversation_engine.infra.loop_thread import LoopThread

T = TypeVar("T")
_END: Final = object()


class Blocking:
    """Runs a client's calls in an event loop on a thread of its own. May be used by any number of threads."""

    def __init__(self, client: Client | None = None) -> None:
        """`client` is closed with it. Any number of clients may be waited for on one thread."""
        self._client = client
        self._loop = LoopThread(name="conversation-engine-client", is_daemon=True)
        self._stack = ExitStack()

    def wait(self, call: Coroutine[Any, Any, T]) -> T:
        """What a call comes to: `blocking.wait(client.conversations.create())`."""
        return self._loop.run(call)

    def each(self, items: AsyncIterator[T]) -> Iterator[T]:
        """Items as they come: `for event in blocking.each(client.turns.stream(…))`. Closed when you leave the loop."""
        try:
            while (item := self._loop.run(_next(items))) is not _END:
                yield item
        finally:
            self._loop.run(_closed(items))

    def looks(self, items: AsyncIterator[T], *, seconds: float) -> Iterator[list[T]]:
        """What came since the last look, about every so many seconds: also nothing, so that who looks may leave.

        Leaving closes `items`. Raises what they raise, after all that came before it.
        """
        came: queue.SimpleQueue[T] = queue.SimpleQueue()
        listening = self._loop.begin(_listen(items, came))
        try:
            is_over = False
            while not is_over:
                is_over = listening.done()
                yield _look(came, 0 if is_over else seconds)
            listening.result()
        finally:
            listening.cancel()

    def __enter__(self) -> Self:
        self._stack.enter_context(self._loop)
        if self._client is not None:
            client = self._client
            self._stack.callback(lambda: self._loop.run(client.aclose()))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()


async def _next(items: AsyncIterator[T]) -> Any:
    return await anext(items, _END)


async def _closed(items: AsyncIterator[object]) -> None:
    if (close := getattr(items, "aclose", None)) is not None:
        await close()


async def _listen(items: AsyncIterator[T], came: "queue.SimpleQueue[T]") -> None:
    try:
        async for item in items:
            came.put(item)
    finally:
        await _closed(items)


def _look(came: "queue.SimpleQueue[T]", seconds: float) -> list[T]:
    found: list[T] = []
    try:
        found.append(came.get(timeout=seconds) if seconds else came.get_nowait())
        time.sleep(seconds / 2)  # let a few more come
        while True:
            found.append(came.get_nowait())
    except queue.Empty:
        return found
