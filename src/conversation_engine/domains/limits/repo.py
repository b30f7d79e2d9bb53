"""Every query of budgets."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import BindParameter, Row, and_, bindparam, delete, insert, or_, select, update

from conversation_engine.domains.limits.models import BudgetAccountModel, BudgetModel, LedgerModel
from conversation_engine.domains.limits.types import (
    EACH,
    Account,
    AccountId,
    Amount,
    Balance,
    Budget,
    BudgetId,
    BudgetKey,
    BudgetPeriod,
    BudgetScope,
    Cap,
    Payers,
)
from conversation_engine.infra.db.database import Tx
from conversation_engine.infra.db.functions import upsert_into
from conversation_engine.infra.ids import new_id
from conversation_engine.kernel.ids import TurnId
from conversation_engine.kernel.paging import Cursor

_budgets = BudgetModel.__table__
_accounts = BudgetAccountModel.__table__
_ledger = LedgerModel.__table__

UNBOUNDED_DOLLARS: Final = Decimal(9_200_000)
UNBOUNDED_TOKENS: Final = 2**62
"""What stands in for no cap: the most that the columns hold."""

_money = _accounts.c.spent_dollars.type
_dollars = bindparam("by_dollars", type_=_money)
_tokens: BindParameter[int] = bindparam("by_tokens")
_account = bindparam("account", type_=_accounts.c.id.type)
_turn = bindparam("turn", type_=_ledger.c.turn_id.type)
_RESERVE = (
    update(_accounts)
    .where(
        _accounts.c.id == _account,
        _accounts.c.spent_dollars + _accounts.c.reserved_dollars + _dollars <= bindparam("cap_dollars", type_=_money),
        _accounts.c.spent_tokens + _accounts.c.reserved_tokens + _tokens <= bindparam("cap_tokens"),
    )
    .values(
        reserved_dollars=_accounts.c.reserved_dollars + _dollars,
        reserved_tokens=_accounts.c.reserved_tokens + _tokens,
    )
    .returning(_accounts.c.id)
)
"""Its row lock orders concurrent turns; each sees what the one before it has promised."""
_SETTLE_ENTRIES = (
    update(_ledger)
    .where(_ledger.c.turn_id == _turn, _ledger.c.settled_at.is_(None))
    .values(dollars=_dollars, tokens=_tokens, settled_at=bindparam("at", type_=_ledger.c.settled_at.type))
    .returning(*_ledger.c)
)
_SETTLE_ACCOUNT = (
    update(_accounts)
    .where(_accounts.c.id == _account)
    .values(
        reserved_dollars=_accounts.c.reserved_dollars - bindparam("was_dollars", type_=_money),
        reserved_tokens=_accounts.c.reserved_tokens - bindparam("was_tokens"),
        spent_dollars=_accounts.c.spent_dollars + _dollars,
        spent_tokens=_accounts.c.spent_tokens + _tokens,
    )
    .returning(*_accounts.c)
)
_AMEND_ENTRIES = (
    update(_ledger)
    .where(_ledger.c.turn_id == _turn, _ledger.c.settled_at.is_not(None))
    .values(dollars=_ledger.c.dollars + _dollars, tokens=_ledger.c.tokens + _tokens)
    .returning(*_ledger.c)
)
_RAISE_ENTRY = (
    update(_ledger)
    .where(_ledger.c.turn_id == _turn, _ledger.c.account_id == _account, _ledger.c.settled_at.is_(None))
    .values(reserved_dollars=_ledger.c.reserved_dollars + _dollars, reserved_tokens=_ledger.c.reserved_tokens + _tokens)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A reservation that has become spending."""

    account: Account
    balance: Balance
    """After it."""
    alerted_percent: int
    """The highest share that was told of so far."""


class BudgetRepo:
    """Rows of `budgets`."""

    def put(self, tx: Tx, key: BudgetKey, cap: Cap, *, at: datetime) -> Budget:
        """Set the budget of this key, whether or not there was one."""
        values = {"dollars": cap.dollars, "tokens": cap.tokens, "updated_at": at}
        statement = upsert_into(tx, _budgets).values(
            id=new_id(), scope=key.scope.value, subject=key.subject, period=key.period.value, created_at=at, **values
        )
        statement = statement.on_conflict_do_update(index_elements=["scope", "subject", "period"], set_=values)
        return _budget(tx.execute(statement.returning(*_budgets.c)).one())

    def find(self, tx: Tx, budget_id: BudgetId) -> Budget | None:
        """One budget."""
        row = tx.execute(select(*_budgets.c).where(_budgets.c.id == budget_id)).first()
        return None if row is None else _budget(row)

    def delete(self, tx: Tx, budget_id: BudgetId) -> bool:
        """Remove one; false when there is none."""
        return tx.execute(delete(_budgets).where(_budgets.c.id == budget_id)).rowcount == 1

    def list_all(self, tx: Tx, *, cursor: Cursor | None, count: int) -> Sequence[Budget]:
        """Newest first (ids grow with time), from `cursor` in its direction."""
        query = select(*_budgets.c)
        is_backward = cursor is not None and cursor.is_backward
        if cursor is not None:
            [at] = cursor.key
            query = query.where(_budgets.c.id > at if is_backward else _budgets.c.id < at)
        query = query.order_by(_budgets.c.id if is_backward else _budgets.c.id.desc()).limit(count)
        return [_budget(row) for row in tx.execute(query)]

    def list_for(self, tx: Tx, payers: Payers) -> Sequence[Budget]:
        """Those that may apply to a turn that these pay for."""
        own = [
            and_(_budgets.c.scope == scope.value, _budgets.c.subject.in_((subject, EACH)))
            for scope, subject in payers.items()
        ]
        return [_budget(row) for row in tx.execute(select(*_budgets.c).where(or_(*own)))]

    def subjects(self, tx: Tx) -> frozenset[tuple[BudgetScope, str]]:
        """Whom there are budgets for."""
        rows = tx.execute(select(_budgets.c.scope, _budgets.c.subject).distinct())
        return frozenset((BudgetScope(scope), subject) for scope, subject in rows)


class AccountRepo:
    """Rows of `budget_accounts` and `ledger`."""

    def reserve(self, tx: Tx, account: Account, amount: Amount) -> bool:
        """Promise an amount if the account's cap covers it; false when it does not. One statement.

        Three for an account's first, and for a refusal.
        """
        values = {
            "account": account.id,
            **_by(amount),
            "cap_dollars": UNBOUNDED_DOLLARS if account.cap.dollars is None else account.cap.dollars,
            "cap_tokens": UNBOUNDED_TOKENS if account.cap.tokens is None else account.cap.tokens,
        }
        if tx.execute(_RESERVE, values).first() is not None:
            return True
        self._open(tx, account)
        return tx.execute(_RESERVE, values).first() is not None

    def enter(
        self,
        tx: Tx,
        turn_id: TurnId,
        accounts: Sequence[Account],
        amount: Amount,
        *,
        at: datetime,
        held_until: datetime | None,
    ) -> None:
        """Write down what a turn has promised."""
        rows = [
            {
                "turn_id": turn_id,
                "account_id": account.id,
                "cap_dollars": account.cap.dollars,
                "cap_tokens": account.cap.tokens,
                "reserved_dollars": amount.dollars,
                "reserved_tokens": amount.tokens,
                "created_at": at,
                "held_until": held_until,
            }
            for account in accounts
        ]
        tx.execute(insert(_ledger), rows)

    def raise_entry(self, tx: Tx, turn_id: TurnId, account: Account, amount: Amount) -> None:
        """Add to what a turn has promised an account."""
        tx.execute(_RAISE_ENTRY, {"turn": turn_id, "account": account.id, **_by(amount)})

    def entered(self, tx: Tx, turn_id: TurnId) -> Sequence[Account]:
        """The accounts that a turn has promised something, in the order of their locks."""
        query = (
            select(*_accounts.c, _ledger.c.cap_dollars, _ledger.c.cap_tokens)
            .join(_ledger, _ledger.c.account_id == _accounts.c.id)
            .where(_ledger.c.turn_id == turn_id, _ledger.c.settled_at.is_(None))
        )
        rows: Sequence[Any] = tx.execute(query).all()
        accounts = [_account_in(row, Cap(dollars=row.cap_dollars, tokens=row.cap_tokens)) for row in rows]
        return sorted(accounts, key=lambda account: account.id)

    def settle(self, tx: Tx, turn_id: TurnId, amount: Amount, *, at: datetime) -> Sequence[Settled]:
        """Turn a turn's promises into what it came to; nothing when it had made none, or they are settled."""
        entries = tx.execute(_SETTLE_ENTRIES, {"turn": turn_id, "at": at, **_by(amount)}).all()
        ordered = sorted(entries, key=lambda entry: str(entry.account_id))
        return [
            self._spend(tx, entry, amount, kept=Amount(dollars=entry.reserved_dollars, tokens=entry.reserved_tokens))
            for entry in ordered
        ]

    def amend(self, tx: Tx, turn_id: TurnId, more: Amount) -> Sequence[Settled]:
        """Add to what a settled turn came to; nothing where it had promised nothing or is not settled."""
        entries = tx.execute(_AMEND_ENTRIES, {"turn": turn_id, **_by(more)}).all()
        ordered = sorted(entries, key=lambda entry: str(entry.account_id))
        return [self._spend(tx, entry, more, kept=Amount()) for entry in ordered]

    def mark_alerted(self, tx: Tx, account: Account, percent: int) -> None:
        """Remember the highest share that was told of."""
        tx.execute(update(_accounts).where(_accounts.c.id == account.id).values(alerted_percent=percent))

    def balances(self, tx: Tx, ids: Sequence[AccountId]) -> dict[AccountId, Balance]:
        """What these hold; one that is missing holds nothing yet."""
        rows = tx.execute(select(*_accounts.c).where(_accounts.c.id.in_(ids)))
        return {AccountId(row.id): _balance(row) for row in rows}

    def hold(self, tx: Tx, turn_ids: Sequence[TurnId], *, until: datetime) -> None:
        """What these have promised is not given up before."""
        open_ones = (_ledger.c.turn_id.in_(turn_ids), _ledger.c.settled_at.is_(None))
        tx.execute(update(_ledger).where(*open_ones).values(held_until=until))

    def unsettled(self, tx: Tx, *, before: datetime, now: datetime, count: int) -> Sequence[TurnId]:
        """Those that owe: turns that promised before `before`, and whatever was held until before `now`."""
        is_old = or_(_ledger.c.held_until < now, and_(_ledger.c.held_until.is_(None), _ledger.c.created_at < before))
        query = select(_ledger.c.turn_id).where(_ledger.c.settled_at.is_(None), is_old)
        return [TurnId(turn_id) for turn_id in tx.scalars(query.distinct().limit(count))]

    def _spend(self, tx: Tx, entry: Row[Any], amount: Amount, *, kept: Amount) -> Settled:
        """Let an account have spent `amount`, and no longer keep `kept` for it."""
        was = {"was_dollars": kept.dollars, "was_tokens": kept.tokens}
        row = tx.execute(_SETTLE_ACCOUNT, {"account": entry.account_id, **_by(amount), **was}).one()
        cap = Cap(dollars=entry.cap_dollars, tokens=entry.cap_tokens)
        return Settled(account=_account_in(row, cap), balance=_balance(row), alerted_percent=row.alerted_percent)

    def _open(self, tx: Tx, account: Account) -> None:
        """Make the row of an account, unless somebody has; waits for one who is at it."""
        statement = upsert_into(tx, _accounts).values(
            id=account.id,
            scope=account.key.scope.value,
            subject=account.key.subject,
            period=account.key.period.value,
            period_name=account.period_name,
        )
        tx.execute(statement.on_conflict_do_nothing())


def _by(amount: Amount) -> dict[str, Any]:
    return {"by_dollars": amount.dollars, "by_tokens": amount.tokens}


def _budget(row: Row[Any]) -> Budget:
    key = BudgetKey(scope=BudgetScope(row.scope), subject=row.subject, period=BudgetPeriod(row.period))
    return Budget(id=BudgetId(row.id), key=key, cap=Cap(dollars=row.dollars, tokens=row.tokens))


def _account_in(row: Row[Any], cap: Cap) -> Account:
    key = BudgetKey(scope=BudgetScope(row.scope), subject=row.subject, period=BudgetPeriod(row.period))
    return Account(id=AccountId(row.id), key=key, period_name=row.period_name, cap=cap)


def _balance(row: Row[Any]) -> Balance:
    return Balance(
        spent=Amount(dollars=row.spent_dollars, tokens=row.spent_tokens),
        reserved=Amount(dollars=row.reserved_dollars, tokens=row.reserved_tokens),
    )
