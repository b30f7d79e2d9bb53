"""Rules of budgets: which apply, what they are called, when they cross a line. No I/O."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Final
from uuid import UUID, uuid5

from conversation_engine.domains.limits.errors import BadBudgetError, OverBudgetError
from conversation_engine.domains.limits.types import (
    EACH,
    EVERYTHING,
    Account,
    AccountId,
    Amount,
    Balance,
    Budget,
    BudgetKey,
    BudgetPeriod,
    BudgetScope,
    Cap,
    Payers,
    Standing,
)
from conversation_engine.kernel.errors import InvalidIdError
from conversation_engine.kernel.ids import parse_id
from conversation_engine.kernel.money import exact_dollars
from conversation_engine.kernel.people import Role

MOST_DOLLARS: Final = Decimal(9_000_000)
"""What the column holds (decision 4)."""
MOST_TOKENS: Final = 10**15
SUBJECT_LIMIT_CHARACTERS: Final = 255
_ACCOUNTS: Final = UUID("5f1d3c52-9a51-5a0e-8f0b-2f1f4f5e9d11")
_RULE: Final = re.compile(
    r"(?P<scope>\w+)(?:\s+(?P<subject>\S+))?\s+(?P<period>day|month|total)"
    r"(?:\s+\$(?P<dollars>[0-9.]+))?(?:\s+(?P<tokens>[0-9]+)\s*tokens?)?",
    re.ASCII,
)


def parse_budgets(text: str) -> Sequence[Budget]:
    """The budgets that CE_BUDGETS names. Raises BadBudgetError."""
    return tuple(_parse(rule.strip()) for rule in text.split(";") if rule.strip())


def parse_percents(text: str) -> Sequence[int]:
    """`50,80,100`, in ascending order. Raises BadBudgetError."""
    try:
        percents = sorted({int(part) for part in text.split(",") if part.strip()})
    except ValueError:
        percents = [0]
    if any(not 0 < percent <= 100 for percent in percents):
        raise BadBudgetError(
            f"{text!r} are no shares of a budget. Write whole numbers from 1 to 100, such as 50,80,100.",
            field="budget_alert_percents",
        )
    return percents


def checked(key: BudgetKey, cap: Cap) -> tuple[BudgetKey, Cap]:
    """A budget as it can be kept. Raises BadBudgetError."""
    subject = _subject(key)
    if not subject or len(subject) > SUBJECT_LIMIT_CHARACTERS or not subject.isprintable():
        raise BadBudgetError("A budget's subject is an id, a role, or `*` for each one of its scope.", field="subject")
    if cap.dollars is None and cap.tokens is None:
        raise BadBudgetError("A budget bounds dollars, tokens or both. Name one.", field="dollars")
    if cap.dollars is not None and not (cap.dollars.is_finite() and 0 <= cap.dollars <= MOST_DOLLARS):
        raise BadBudgetError(f"A budget's dollars are 0 to {MOST_DOLLARS}.", field="dollars")
    if cap.tokens is not None and not 0 <= cap.tokens <= MOST_TOKENS:
        raise BadBudgetError(f"A budget's tokens are 0 to {MOST_TOKENS}.", field="tokens")
    dollars = None if cap.dollars is None else exact_dollars(cap.dollars)
    key = BudgetKey(scope=key.scope, subject=subject, period=key.period)
    return key, Cap(dollars=dollars, tokens=cap.tokens)


def applying(budgets: Iterable[Budget], payers: Payers, *, at: datetime) -> Sequence[Account]:
    """The accounts that a turn is charged to: of each scope and period the subject's own budget, else that of each.

    What was set wins over the settings (budgets without an id). In the order in which their rows are locked: every
    transaction locks them in the same one, so that none waits for another in a circle.
    """
    chosen: dict[tuple[BudgetScope, BudgetPeriod], Budget] = {}
    for budget in budgets:
        key = budget.key
        if key.subject not in (payers.get(key.scope), EACH) or key.scope not in payers:
            continue
        place = (key.scope, key.period)
        if place not in chosen or _rank(budget) > _rank(chosen[place]):
            chosen[place] = budget
    accounts = [account_of(budget, payers[budget.key.scope], at=at) for budget in chosen.values()]
    return sorted(accounts, key=lambda account: account.id)


def account_of(budget: Budget, subject: str, *, at: datetime) -> Account:
    """Where a subject's spending under a budget is kept; the same whoever asks."""
    key = BudgetKey(scope=budget.key.scope, subject=subject, period=budget.key.period)
    name = key.period.name_of(at)
    account_id = AccountId(str(uuid5(_ACCOUNTS, "\n".join((key.scope, key.period, name, key.subject)))))
    return Account(id=account_id, key=key, period_name=name, cap=budget.cap)


def standing_of(account: Account, balance: Balance, *, at: datetime) -> Standing:
    """An account with what it holds."""
    return Standing(account=account, balance=balance, renews_at=account.key.period.renews_at(at))


def refusal(standing: Standing, amount: Amount) -> OverBudgetError:
    """What to tell whoever asked."""
    key, left, renews = standing.account.key, standing.left, standing.renews_at
    needed = Cap(
        dollars=None if left.dollars is None else amount.dollars,
        tokens=None if left.tokens is None else amount.tokens,
    )
    return OverBudgetError(
        whose=f"this {key.scope.value} ({key.period.value})" if key.scope is not BudgetScope.GLOBAL else "everybody",
        needed=_shown(needed),
        left=_shown(left),
        renews=renews.isoformat() if renews else None,
        scope=key.scope.value,
        period=key.period.value,
        left_dollars=None if left.dollars is None else f"{left.dollars:f}",
        left_tokens=left.tokens,
    )


def reached_percent(account: Account, spent: Amount, percents: Sequence[int]) -> int:
    """The highest of these shares that is spent, in money or in tokens; 0: none. Nothing is no share of $0."""
    cap = account.cap
    reached = [
        percent
        for percent in percents
        if (cap.dollars is not None and 0 < spent.dollars * 100 >= cap.dollars * percent)
        or (cap.tokens is not None and 0 < spent.tokens * 100 >= cap.tokens * percent)
    ]
    return max(reached, default=0)


def newly_reached(told: int, before: int, after: int, percents: Sequence[int]) -> Sequence[int]:
    """The lines that spending crosses on its way from one highest share to another, and those not told of before it.

    A cap that was lowered leaves lines behind that nobody was told of; one that was raised has its lines anew.
    """
    return [percent for percent in percents if min(told, before) < percent <= after]


def _subject(key: BudgetKey) -> str:
    """As turns name it: under any other name it would bound nobody, and nobody would be told."""
    if key.scope is BudgetScope.GLOBAL:
        return EVERYTHING
    if key.subject == EACH:
        return EACH
    if key.scope is BudgetScope.ROLE and key.subject not in set(Role):
        raise BadBudgetError(f"{key.subject!r} is no role. There are {', '.join(Role)}.", field="subject")
    if key.scope is BudgetScope.CONVERSATION:
        try:
            return parse_id(key.subject)
        except InvalidIdError as error:
            raise BadBudgetError(f"{key.subject!r} is no conversation's id.", field="subject") from error
    return key.subject


def _rank(budget: Budget) -> tuple[bool, bool]:
    return budget.key.subject != EACH, budget.id is not None


def _parse(rule: str) -> Budget:
    match = _RULE.fullmatch(rule)
    try:
        if match is None:
            raise ValueError(rule)
        scope = BudgetScope(match["scope"])
        dollars, tokens = match["dollars"], match["tokens"]
        key = BudgetKey(scope=scope, subject=match["subject"] or EACH, period=BudgetPeriod(match["period"]))
        cap = Cap(dollars=None if dollars is None else Decimal(dollars), tokens=None if tokens is None else int(tokens))
    except (ValueError, InvalidOperation) as error:
        raise BadBudgetError(
            f"{rule!r} is no budget. Write `SCOPE [SUBJECT] PERIOD [$DOLLARS] [N tokens]`: global, role, user, persona "
            "or conversation; day, month or total; such as `user day $1` or `role student month $20 500000 tokens`.",
            field="budgets",
        ) from error
    key, cap = checked(key, cap)
    return Budget(id=None, key=key, cap=cap)


def _shown(amount: Cap) -> str:
    dollars = None if amount.dollars is None else f"${amount.dollars:f}"
    tokens = None if amount.tokens is None else f"{amount.tokens} tokens"
    return " and ".join(part for part in (dollars, tokens) if part)
