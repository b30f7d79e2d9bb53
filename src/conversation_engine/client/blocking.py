"""The same client for code that waits: nothing is written twice."""

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

    def __init__(self, client: Client) -> None:
        """`client` is closed with it."""
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

    def __enter__(self) -> Self:
        self._stack.enter_context(self._loop)
        self._stack.callback(lambda: self._loop.run(self._client.aclose()))
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
