"""The words of cost reports."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from conversation_engine.kernel.ids import ConversationId, UserId

MOST_GROUPS: Final = 1000
"""Rows of one report."""


class CostGroup(StrEnum):
    """What spending is added up by."""

    USER = "user"
    MODEL = "model"
    """`provider/model`, the provider's own name for it."""
    CONVERSATION = "conversation"
    TYPE = "type"
    """The conversation's type; nobody knows it any more where the conversation was deleted."""
    DAY = "day"
    """Of UTC, by when the call was made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CostQuestion:
    """Whose spending, when, and added up by what."""

    by: CostGroup
    user_id: UserId | None
    """`None`: everybody's."""
    conversation_id: ConversationId | None = None
    """Only this one's; `None`: all of them."""
    start: datetime
    """Calls made at this instant and later …"""
    end: datetime
    """… and before this one."""
    limit: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What some model calls used and cost, whatever became of them."""

    calls: int = 0
    input_tokens: int = 0
    """Cached tokens and cache writes included."""
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    """Reasoning included."""
    reasoning_tokens: int = 0
    cost: Decimal = Decimal(0)
    """US dollars, the exact sum of every call whose cost is known."""
    estimated_calls: int = 0
    """Calls whose tokens we counted, because the provider did not report them."""
    unpriced_calls: int = 0
    """Calls whose tokens are known and whose price is not: they are not in `cost`."""
    uncounted_calls: int = 0
    """Calls of which nobody knows what they used: refused, or broken before the first word. Not in `cost`."""

    def minus(self, other: "Spending") -> "Spending":
        """What is left without `other`, which is part of this."""
        return Spending(
            calls=self.calls - other.calls,
            input_tokens=self.input_tokens - other.input_tokens,
            cached_tokens=self.cached_tokens - other.cached_tokens,
            cache_write_tokens=self.cache_write_tokens - other.cache_write_tokens,
            output_tokens=self.output_tokens - other.output_tokens,
            reasoning_tokens=self.reasoning_tokens - other.reasoning_tokens,
            cost=self.cost - other.cost,
            estimated_calls=self.estimated_calls - other.estimated_calls,
            unpriced_calls=self.unpriced_calls - other.unpriced_calls,
            uncounted_calls=self.uncounted_calls - other.uncounted_calls,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CostRow:
    """One group of a report."""

    key: str | None
    """`None`: the type of what was deleted."""
    spending: Spending


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationCosts:
    """Conversations in which a model was called in the period, beside the target."""

    count: int
    over_target: int
    """Those that cost more than the target in the period."""
    highest: Decimal
    """US dollars of the dearest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CostReport:
    """The answer to a `CostQuestion`: `rows` and `rest` add up to `total`, to the last digit."""

    question: CostQuestion
    total: Spending
    rows: Sequence[CostRow]
    """Days: the newest, in order; anything else: the dearest first."""
    rest: Spending
    """What the groups that found no room in `rows` come to."""
    conversations: ConversationCosts
    target: Decimal
    """US dollars a conversation should cost at most."""
    average: Decimal | None
    """US dollars a conversation, rounded to picodollars; `None` without any."""
