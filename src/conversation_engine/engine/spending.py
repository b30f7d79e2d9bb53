"""Chooses who bounds what is spent, and who hears of it."""

from collections.abc import Sequence
from typing import Protocol

from conversation_engine.domains.limits.rates import RateLimiter
from conversation_engine.domains.limits.service import BudgetService
from conversation_engine.domains.llm.service import LlmService
from conversation_engine.engine.settings import Settings
from conversation_engine.infra.db.database import Database
from conversation_engine.infra.jobs.service import JobQueue
from conversation_engine.infra.observability.metrics import Metrics
from conversation_engine.infra.outbox.service import Outbox
from conversation_engine.infra.outbox.types import EventListener
from conversation_engine.infra.signals.ports import Signals
from conversation_engine.kernel.clock import Clock
from conversation_engine.turns.embedding_books import EmbeddingBooks


class SpendingParts(Protocol):
    """What it is made of: an engine."""

    settings: Settings
    database: Database
    clock: Clock
    jobs: JobQueue
    metrics: Metrics
    rates: RateLimiter


def make_outbox(engine: SpendingParts, listeners: Sequence[EventListener]) -> Outbox:
    """Events to the log, to `listeners` and to the webhook, where one is set. Raises BadWebhookError."""
    settings, webhook = engine.settings, None
    if settings.webhook_url is not None:
        from conversation_engine.infra.outbox.webhook import Webhook

        webhook = Webhook(
            settings.webhook_url,
            settings.webhook_secret,
            clock=engine.clock,
            timeout_seconds=settings.webhook_timeout_seconds,
            may_be_private=settings.webhook_private_addresses == "allow",
        )
    return Outbox(
        engine.database,
        jobs=engine.jobs,
        clock=engine.clock,
        listeners=listeners,
        webhook=webhook,
        days=settings.outbox_days,
    )


def make_budgets(engine: SpendingParts, outbox: Outbox, signals: Signals) -> BudgetService:
    """Budgets over one database. Raises BadBudgetError."""
    return BudgetService(
        engine.database,
        clock=engine.clock,
        settings=engine.settings,
        outbox=outbox,
        signals=signals,
        recorder=engine.metrics,
    )


def make_embedding_books(engine: SpendingParts, llm: LlmService, budgets: BudgetService) -> EmbeddingBooks:
    """Who puts calls of an embedding service on record, and has them paid."""
    longest = engine.settings.embedding_timeout_seconds
    return EmbeddingBooks(
        engine.database,
        llm=llm,
        budgets=budgets,
        clock=engine.clock,
        longest_seconds=longest,
        on_tokens=engine.rates.add_tokens,
    )
