"""Hears at once that the process is asked to stop.

A server tells its application only after every connection has ended, and a stream ends with its turn: told that late,
a long reply would hold the process up for as long as it lasts.
"""

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Final

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def on_stop_signal(call: Callable[[], object]) -> Iterator[None]:
    """Run `call` in the event loop when SIGINT or SIGTERM comes, then whatever handled that signal before.

    Without effect outside the main thread, and for a signal that nobody in Python handles.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    previous = {number: handler for number in SIGNALS if callable(handler := signal.getsignal(number))}

    def handle(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(call)
        previous[signal.Signals(number)](number, frame)

    for number in previous:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in previous.items():
            if signal.getsignal(number) is handle:
                signal.signal(number, handler)
