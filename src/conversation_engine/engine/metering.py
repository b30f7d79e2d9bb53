"""What an engine's metrics are made of: what their labels may say, and what is looked at rather than noted."""

import asyncio
from typing import Final, Protocol

from conversation_engine.domains.limits.budgets import parse_percents
from conversation_engine.domains.limits.rates import RateLimiter
from conversation_engine.domains.limits.service import ALERT
from conversation_engine.domains.llm.service import LlmService
from conversation_engine.engine.dialects import Dialects
from conversation_engine.engine.settings import Settings
from conversation_engine.infra.db.database import Database
from conversation_engine.infra.jobs.service import JobQueue
from conversation_engine.infra.observability.catalogue import (
    ACTIVE_TURNS,
    BUDGET_ALERTS,
    CALLS_RUNNING,
    CALLS_WAITING,
    CONNECTIONS,
    CONNECTIONS_LIMIT,
    DATABASE_WAITING,
    JOBS_STORED,
    LOOP_LAG,
    OPEN_CIRCUITS,
    PROCESSES,
    STORE_UP,
    TURNS_STORED,
)
from conversation_engine.infra.observability.logs import get_logger
from conversation_engine.infra.observability.metrics import Metrics, Readings
from conversation_engine.infra.observability.opening import open_tracer
from conversation_engine.infra.observability.recording import Recorder
from conversation_engine.infra.observability.tracing import Tracer
from conversation_engine.infra.outbox.types import EventListener, OutboxEvent
from conversation_engine.kernel.errors import EngineError
from conversation_engine.turns.metering import PASSING
from conversation_engine.turns.recovery import INTERRUPTED
from conversation_engine.turns.service import TurnService

LOOK_SECONDS: Final = 0.5
"""How often a process looks at itself: two looks a second cost 0.03 % of a CPU, and other workers see no older."""
STORE_SECONDS: Final = 2.0
"""How long the database may take to be read for a page: Prometheus gives up after ten."""
GENERAL: Final = "general"
"""The type of conversations of which nobody said another."""
_log = get_logger(__name__)


class MeteredParts(Protocol):
    """What is looked at: an engine."""

    metrics: Metrics
    database: Database
    turns: TurnService
    dialects: Dialects
    llm: LlmService
    jobs: JobQueue
    rates: RateLimiter


def make_observers(settings: Settings) -> tuple[Metrics, Tracer]:
    """Who takes notes of what happens. Raises BadBudgetError."""
    return make_metrics(settings), open_tracer()


def make_metrics(settings: Settings) -> Metrics:
    """Metrics whose labels may say what these settings name. Raises BadBudgetError."""
    metrics = Metrics()
    metrics.allow("percent", [str(percent) for percent in parse_percents(settings.budget_alert_percents)])
    metrics.allow("type", {GENERAL, PASSING, *settings.window_strategy_by_type, *settings.fallback_replies})
    metrics.put(PROCESSES, 1)
    return metrics


def alert_counter(recorder: Recorder) -> EventListener:
    """Counts budgets' alerts where they are delivered."""

    def count(event: OutboxEvent) -> None:
        if event.kind == ALERT:
            told = event.payload
            recorder.add(BUDGET_ALERTS, str(told["percent"]), str(told["scope"]), str(told["period"]))

    return count


class Meter:
    """Looks at an engine now and then, and when somebody asks: nothing is kept up to date on the way of a turn."""

    def __init__(self, engine: MeteredParts) -> None:
        self._engine = engine
        self._metrics = engine.metrics
        self._looking: asyncio.Task[None] | None = None
        self._were_open: frozenset[str] = frozenset()

    def start(self) -> None:
        """Let labels say what there is, and begin to look."""
        metrics, engine = self._metrics, self._engine
        metrics.allow("model", engine.llm.names())
        metrics.allow("provider", engine.llm.provider_loads().keys())
        metrics.allow("policy", {rule.name for rule in engine.rates.rules})
        metrics.allow("kind", engine.jobs.kinds)
        metrics.allow("code", {INTERRUPTED.code, *_codes(EngineError)})
        self._were_open = frozenset(engine.llm.names())  # they stand at zero from the start
        self._looking = asyncio.create_task(self._look_forever(), name="metrics")

    async def aclose(self) -> None:
        """Stop looking. Idempotent."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])

    async def page(self) -> bytes:
        """Everything, for Prometheus. Never raises; three statements in two transactions."""
        self._look()
        return await self._metrics.page(await self._readings())

    async def _readings(self) -> Readings:
        engine = self._engine
        try:
            async with asyncio.timeout(STORE_SECONDS):
                turns, jobs = await engine.turns.count_stored(), await engine.jobs.count()
        except Exception as error:  # noqa: BLE001 - the page must come most of all when something is wrong
            _log.warning("metrics.store_not_read", error=type(error).__name__)
            return {STORE_UP: {(): 0}}
        return {
            STORE_UP: {(): 1},
            TURNS_STORED: {(state,): count for state, count in turns.items()},
            JOBS_STORED: {
                (kind, state): jobs.get((kind, state), 0) for kind in engine.jobs.kinds for state in _JOB_STATES
            },
        }

    async def _look_forever(self) -> None:
        now = asyncio.get_running_loop().time
        while True:
            due = now() + LOOK_SECONDS
            await asyncio.sleep(LOOK_SECONDS)
            self._metrics.observe(LOOP_LAG, max(0.0, now() - due))
            self._look()

    def _look(self) -> None:
        metrics, engine = self._metrics, self._engine
        metrics.put(ACTIVE_TURNS, engine.turns.running_count + engine.dialects.passing.running_count)
        pool = engine.database.pool
        metrics.put(CONNECTIONS, pool.busy, "busy")
        metrics.put(CONNECTIONS, pool.idle, "idle")
        metrics.put(CONNECTIONS_LIMIT, pool.limit)
        metrics.put(DATABASE_WAITING, pool.waiting)
        for provider, load in engine.llm.provider_loads().items():
            metrics.put(CALLS_RUNNING, load.running, provider)
            metrics.put(CALLS_WAITING, load.waiting, provider)
        is_open = frozenset(engine.llm.open_circuits())
        for model in is_open | self._were_open:
            metrics.put(OPEN_CIRCUITS, model in is_open, model)
        self._were_open = is_open


_JOB_STATES: Final = ("waiting", "running", "dead")


def _codes(error: type[EngineError]) -> set[str]:
    """Of this error and of all that are made from it."""
    return {error.code}.union(*map(_codes, error.__subclasses__()))
