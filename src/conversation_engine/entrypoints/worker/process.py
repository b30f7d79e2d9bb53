"""A process that answers nobody.

It ends the turns of processes that died, moves the lines of turns that wait, and forgets what has expired. Every
server does the same beside answering; this one goes on when no server is left, or takes it off hosts that are busy.
"""

import asyncio
import contextlib
import signal
from collections.abc import Iterator
from typing import Final

from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.engine.settings import Settings
from conversation_engine.infra.observability.logs import get_logger

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_log = get_logger(__name__)


async def work(settings: Settings) -> None:
    """Work until SIGINT or SIGTERM, then let the turns that run here end. Many may work on one database.

    Raises SchemaMismatchError for a database of another version.
    """
    with _stop_signal() as stopped:
        async with ConversationEngine(settings) as engine:
            _log.info("worker.started", database=engine.database.url)
            await stopped.wait()
    _log.info("worker.stopped")


@contextlib.contextmanager
def _stop_signal() -> Iterator[asyncio.Event]:
    """Set by the first SIGINT or SIGTERM; the next one is the interpreter's again, for who does not want to wait."""
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()

    def hear() -> None:
        stopped.set()
        for number in SIGNALS:
            loop.remove_signal_handler(number)

    for number in SIGNALS:
        loop.add_signal_handler(number, hear)
    try:
        yield stopped
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)
