"""Where code that waits crosses into async."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")


class LoopThread:
    """An event loop on a thread of its own, so that the main thread is free to wait, for the keyboard for instance.

    Only the main thread gets Ctrl-C, and only there does readline's prompt react to it; a prompt in a worker thread
    could not be interrupted, and one in the loop's thread would stop the engine.
    """

    def __init__(self, *, name: str = "chat-loop", is_daemon: bool = False) -> None:
        """`is_daemon`: whether the interpreter may end without waiting for it."""
        self._loop: asyncio.AbstractEventLoop
        self._end: asyncio.Event
        self._is_running = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._stay()), name=name, daemon=is_daemon)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Wait for `coroutine`, run in the loop. Ctrl-C interrupts the waiting and cancels it."""
        future = self.begin(coroutine)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def begin(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Run `coroutine` in the loop; cancelling what comes back cancels it."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def call(self, function: Callable[[], None]) -> None:
        """Have the loop call `function` soon. Safe in a signal handler."""
        self._loop.call_soon_threadsafe(function)

    def __enter__(self) -> Self:
        self._thread.start()
        self._is_running.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.call(self._end.set)
        self._thread.join()

    async def _stay(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        self._is_running.set()
        await self._end.wait()
