"""Wiring of what is answered and not kept."""

from typing import Protocol

from conversation_engine.domains.limits.rates import RateLimiter
from conversation_engine.domains.limits.service import BudgetService
from conversation_engine.domains.llm.service import LlmService
from conversation_engine.engine.settings import Settings
from conversation_engine.infra.db.database import Database
from conversation_engine.kernel.clock import Clock
from conversation_engine.turns.passing.service import PassingService
from conversation_engine.turns.runner import OnUsed
from conversation_engine.turns.types import Turn


class PassingParts(Protocol):
    """What passing turns are made of: an engine."""

    database: Database
    llm: LlmService
    budgets: BudgetService
    rates: RateLimiter
    clock: Clock


def make_passing(engine: PassingParts, *, settings: Settings) -> PassingService:
    """Has prompts answered that nobody keeps."""
    return PassingService(
        engine.database,
        llm=engine.llm,
        budgets=engine.budgets,
        clock=engine.clock,
        settings=settings,
        on_used=token_counter(engine.rates) if engine.rates.counts_tokens else None,
    )


def token_counter(rates: RateLimiter) -> OnUsed:
    """Counts for the rates what turns use."""

    async def count(turn: Turn, tokens: int) -> None:
        await rates.add_tokens(turn.owner_id, turn.role, tokens)

    return count
