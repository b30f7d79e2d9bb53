"""The words of budgets."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final, NewType, assert_never

BudgetId = NewType("BudgetId", str)
AccountId = NewType("AccountId", str)

EACH: Final = "*"
"""The subject of a budget that every subject of its scope has for itself, unless it has one of its own."""
EVERYTHING: Final = "all"
"""The only subject of the global scope."""


class BudgetScope(StrEnum):
    """Whose spending is bounded."""

    GLOBAL = "global"
    ROLE = "role"
    """All users of a role together."""
    USER = "user"
    PERSONA = "persona"
    CONVERSATION = "conversation"


class BudgetPeriod(StrEnum):
    """How often it begins anew; days and months are those of UTC."""

    DAY = "day"
    MONTH = "month"
    TOTAL = "total"

    def name_of(self, at: datetime) -> str:
        """The period that `at` is in: `2026-11-21`, `2026-11`, or `ever`."""
        day = at.astimezone(UTC).date().isoformat()
        match self:
            case BudgetPeriod.DAY:
                return day
            case BudgetPeriod.MONTH:
                return day[:7]
            case BudgetPeriod.TOTAL:
                return "ever"
        assert_never(self)

    def renews_at(self, at: datetime) -> datetime | None:
        """When the next one begins; `None`: never."""
        midnight = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        match self:
            case BudgetPeriod.DAY:
                return midnight + timedelta(days=1)
            case BudgetPeriod.MONTH:
                return (midnight.replace(day=1) + timedelta(days=32)).replace(day=1)
            case BudgetPeriod.TOTAL:
                return None
        assert_never(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """What something costs."""

    dollars: Decimal = Decimal(0)
    tokens: int = 0
    """Input and output together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """The most that may be spent; `None`: as much as one likes."""

    dollars: Decimal | None = None
    tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetKey:
    """What tells a budget from others: a scope takes one for each subject and period."""

    scope: BudgetScope
    subject: str
    """An id or a role: opaque to budgets. `EACH`, or `EVERYTHING` in the global scope."""
    period: BudgetPeriod


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A bound that was set."""

    id: BudgetId | None
    """`None`: it stands in the settings."""
    key: BudgetKey
    cap: Cap


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One subject's spending in one period, under one budget."""

    id: AccountId
    key: BudgetKey
    """The subject itself, never `EACH`."""
    period_name: str
    cap: Cap


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What an account holds."""

    spent: Amount
    reserved: Amount
    """For calls that run now: the most that each can cost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a budget stands for a subject."""

    account: Account
    balance: Balance
    renews_at: datetime | None

    @property
    def left(self) -> Cap:
        """What may still be promised; `None` where nothing bounds it."""
        cap, spent, reserved = self.account.cap, self.balance.spent, self.balance.reserved
        return Cap(
            dollars=None if cap.dollars is None else max(Decimal(0), cap.dollars - spent.dollars - reserved.dollars),
            tokens=None if cap.tokens is None else max(0, cap.tokens - spent.tokens - reserved.tokens),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """The most that a call can cost."""

    tokens: int
    dollars: Callable[[], Decimal | None]
    """`None`: nobody knows the price. Asked only where money is bounded: prices may have to be read first."""


Payers = Mapping[BudgetScope, str]
"""Whose budgets a turn is charged to: a subject for each scope that it has one in."""
