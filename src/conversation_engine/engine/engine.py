"""The engine: everything behind every door."""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from conversation_engine.domains.llm.embeddings.ports import Embedder
from conversation_engine.domains.llm.embeddings.service import EmbeddingService
from conversation_engine.domains.llm.ports import ModelProvider
from conversation_engine.engine.clients import make_personas
from conversation_engine.engine.dialects import make_dialects
from conversation_engine.engine.documents import make_retrieval
from conversation_engine.engine.insights import make_insights
from conversation_engine.engine.metering import Meter, alert_counter, make_observers
from conversation_engine.engine.migrating import prepare
from conversation_engine.engine.moving import make_moves
from conversation_engine.engine.questions import make_checks, make_questions
from conversation_engine.engine.settings import Settings
from conversation_engine.engine.spending import make_budgets, make_embedding_books, make_outbox
from conversation_engine.engine.wiring import (
    make_accounts,
    make_catalog,
    make_embeddings,
    make_llm,
    make_people,
    make_rates,
    make_signals,
    make_turns,
)
from conversation_engine.infra.audit.service import AuditLog
from conversation_engine.infra.db.opening import backend_of, open_database
from conversation_engine.infra.jobs.service import JobQueue
from conversation_engine.infra.observability.logs import get_logger
from conversation_engine.infra.outbox.types import EventListener
from conversation_engine.infra.signals.local import LocalSignals
from conversation_engine.kernel.clock import Clock, SystemClock
from conversation_engine.turns.rag.service import RagService
from conversation_engine.turns.service import TurnService

_log = get_logger(__name__)


class ConversationEngine:
    """Conversations, turns and models over one database.

    ```python
    async with ConversationEngine() as engine:
        conversation = await engine.conversations.create(NewConversation(owner_id="ada"))
    ```

    Settings come from `CE_…` environment variables unless given. Many engines may run in one process.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        providers: Mapping[str, ModelProvider] | None = None,
        clock: Clock | None = None,
        listeners: Sequence[EventListener] = (),
        embedder: Embedder | None = None,
    ) -> None:
        """`providers` adds model services by family name: `{"mine": provider}` answers for `mine/ANYTHING`.

        `listeners` hear of events, such as a budget that runs out: see `docs/limits.md`.
        `embedder` is used in place of the one that CE_EMBEDDING_MODEL names.
        """
        self.settings, self.clock = settings or Settings(), clock or SystemClock()
        self.database = open_database(self.settings.resolved_database_url, self.settings)
        self.metrics, self.tracer = make_observers(self.settings)
        self.audit = AuditLog(self.database, clock=self.clock)
        self.jobs = JobQueue(self.database, clock=self.clock, settings=self.settings, recorder=self.metrics)
        self.insights = make_insights(self, settings=self.settings)
        self.calls, self.costs = self.insights.calls, self.insights.costs
        self._signals = make_signals(self.settings)
        self.rates, self.refusals = make_rates(self)
        self._outbox = make_outbox(self, [alert_counter(self.metrics), *listeners])
        self.budgets = make_budgets(self, self._outbox, self._signals)
        self._catalog = make_catalog(self.settings, providers or {})
        self.llm = make_llm(self.settings, self._catalog, self.clock, self.metrics, tracer=self.tracer)
        books = make_embedding_books(self, self.llm, self.budgets)
        self.embeddings = EmbeddingService(embedder) if embedder else make_embeddings(self.settings, books)
        self.retrieval = make_retrieval(self)
        write_path = make_turns(
            self.database,
            self.llm,
            settings=self.settings,
            clock=self.clock,
            signals=self._signals,
            rates=self.rates,
            budgets=self.budgets,
            retrieval=self.retrieval,
            jobs=self.jobs,
            embeddings=self.embeddings,
            recorder=self.metrics,
            tracer=self.tracer,
        )
        self.conversations, self.pins = write_path.conversations, write_path.pins
        self.turns: TurnService = write_path.turns
        self.dialects = make_dialects(self, settings=self.settings)
        self.rag = RagService(self.conversations, self.turns, self.retrieval)
        self.questions = make_questions(self, write_path, settings=self.settings)
        self.checks = make_checks(self, write_path.side_calls)
        self.accounts = make_accounts(self.database, self.audit, settings=self.settings, clock=self.clock)
        self.personas = make_personas(self, settings=self.settings)
        people = make_people(self, settings=self.settings)
        self.sessions, self.review, self.shares = people.sessions, people.review, people.shares
        self.feedback, self.records, self.retention = people.feedback, people.records, people.retention
        self.exports, self.imports = make_moves(self, settings=self.settings)
        self.meter = Meter(self)

    async def start(self) -> None:
        """Make sure of the schema (see `migrating.prepare`) and begin to take turns. Raises SchemaMismatchError."""
        is_embedded = backend_of(self.settings.resolved_database_url) == "sqlite"
        await prepare(self.database, is_embedded=is_embedded)
        await self._signals.start()
        await self.budgets.start()
        await self.turns.start()
        await self.retrieval.start()
        self.jobs.start()
        self._outbox.chore.start()
        self.refusals.chore.start()
        self.insights.start()
        self.retention.chore.start()
        self.meter.start()

    async def aclose(self) -> None:
        """Let running turns end (see `CE_GRACE_SECONDS`), then let go of everything."""
        await self.meter.aclose()
        await self.insights.aclose()
        await self.dialects.passing.aclose()
        await self.turns.aclose()
        await self.jobs.aclose()
        await self.retention.chore.aclose()
        await self._outbox.chore.aclose()
        await self.budgets.aclose()
        await self._signals.aclose()
        await self.rates.aclose()
        await self.refusals.aclose()
        await self._catalog.aclose()
        await self.embeddings.aclose()
        await self.database.aclose()
        await self.tracer.aclose()

    async def is_database_ready(self) -> bool:
        """Whether the store answers."""
        try:
            await self.database.read(lambda tx: tx.exec_driver_sql("SELECT 1"))
        except Exception as error:  # noqa: BLE001 - whatever keeps it from answering, the answer is no
            _log.warning("database.unreachable", error=type(error).__name__)
            return False
        return True

    def helpers_standing(self) -> Mapping[str, bool]:
        """Whether that answers which it can do without for a while: hints of other processes, the default model.

        As known from the last use: no I/O.
        """
        default = self.llm.card(None).name
        standing = {"model": default not in self.llm.open_circuits()}
        if not isinstance(self._signals, LocalSignals):
            standing["valkey" if self.settings.valkey_url else "notify"] = self._signals.is_shared
        return standing

    async def warm_up(self) -> None:
        """Load the default model if it is the local one, so that the first reply does not wait for it."""
        await self._catalog.warm_up()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()
