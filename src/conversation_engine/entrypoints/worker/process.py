"""A process that answers nobody.

It ends the turns of processes that died, moves the lines of turns that wait, and forgets what has expired. Every
server does the same beside answering; this one goes on when no server is left, or takes it off hosts that are busy.
"""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Iterator
from typing import Final

from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.engine.settings import Settings
from conversation_engine.entrypoints.worker.metrics import MetricsPage
from conversation_engine.infra.observability.errors import MetricsPortTakenError
from conversation_engine.infra.observability.logs import get_logger

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_log = get_logger(__name__)


async def work(settings: Settings) -> None:
    """Work until SIGINT or SIGTERM, then let the turns that run here end. Many may work on one database.

    Raises SchemaMismatchError for a database of another version, MetricsPortTakenError.
    """
    with _stop_signal() as stopped:
        async with ConversationEngine(settings) as engine, _told(engine) as port:
            _log.info("worker.started", database=engine.database.url, metrics_port=port)
            await stopped.wait()
    _log.info("worker.stopped")


@contextlib.asynccontextmanager
async def _told(engine: ConversationEngine) -> AsyncIterator[int | None]:
    """Its metrics are answered where CE_WORKER_METRICS_PORT says, which is told."""
    port = engine.settings.worker_metrics_port
    if port is None:
        yield None
        return
    async with contextlib.AsyncExitStack() as stack:
        try:
            own = await stack.enter_async_context(MetricsPage(engine).listening(port))
        except OSError as error:
            raise MetricsPortTakenError(port) from error
        yield own


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
