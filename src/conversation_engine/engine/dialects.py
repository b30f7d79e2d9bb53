"""Wiring of what doors of other languages need: items, answers by their own ids, prompts that nobody keeps."""

from dataclasses import dataclass
from typing import Protocol

from conversation_engine.domains.context.service import SummaryService
from conversation_engine.domains.conversations.items.service import ItemService
from conversation_engine.domains.conversations.service import ConversationService
from conversation_engine.domains.limits.rates import RateLimiter
from conversation_engine.domains.limits.service import BudgetService
from conversation_engine.domains.llm.service import LlmService
from conversation_engine.engine.settings import Settings
from conversation_engine.infra.db.database import Database
from conversation_engine.infra.idempotency.ledger import IdempotencyLedger
from conversation_engine.infra.observability.metrics import Metrics
from conversation_engine.kernel.clock import Clock
from conversation_engine.turns.answers.service import AnswerService
from conversation_engine.turns.passing.service import PassingService
from conversation_engine.turns.runner import OnUsed
from conversation_engine.turns.types import Turn


class DialectParts(Protocol):
    """What it is made of: an engine."""

    database: Database
    conversations: ConversationService
    llm: LlmService
    budgets: BudgetService
    rates: RateLimiter
    clock: Clock
    metrics: Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialects:
    """What doors of other languages are served by."""

    passing: PassingService
    items: ItemService
    answers: AnswerService


def make_dialects(engine: DialectParts, *, settings: Settings) -> Dialects:
    """Over the same store and the same models."""
    items = ItemService(
        engine.database,
        conversations=engine.conversations,
        llm=engine.llm,
        ledger=IdempotencyLedger(engine.database, clock=engine.clock, hours=settings.idempotency_hours),
        clock=engine.clock,
        forget=SummaryService().forget,
    )
    return Dialects(
        passing=PassingService(
            engine.database,
            llm=engine.llm,
            budgets=engine.budgets,
            clock=engine.clock,
            settings=settings,
            on_used=token_counter(engine.rates) if engine.rates.counts_tokens else None,
            recorder=engine.metrics,
        ),
        items=items,
        answers=AnswerService(engine.database, conversations=engine.conversations, items=items, llm=engine.llm),
    )


def token_counter(rates: RateLimiter) -> OnUsed:
    """Counts for the rates what turns use."""

    async def count(turn: Turn, tokens: int) -> None:
        await rates.add_tokens(turn.owner_id, turn.role, tokens)

    return count
