"""What may be spent: reserve before the call, settle after it, in the transactions of the turn."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID, uuid5

from conversation_engine.domains.limits.budgets import (
    account_of,
    applying,
    checked,
    newly_reached,
    parse_budgets,
    parse_percents,
    reached_percent,
    refusal,
    standing_of,
)
from conversation_engine.domains.limits.errors import BudgetNotFoundError, OverBudgetError, UnknownPriceError
from conversation_engine.domains.limits.repo import AccountRepo, BudgetRepo, Settled
from conversation_engine.domains.limits.settings import LimitSettings
from conversation_engine.domains.limits.types import (
    EACH,
    EVERYTHING,
    Account,
    Amount,
    Balance,
    Budget,
    BudgetId,
    BudgetKey,
    BudgetScope,
    Cap,
    Expected,
    Payers,
    Standing,
)
from conversation_engine.infra.chores import Chore
from conversation_engine.infra.db.database import ConstraintViolation, Database, Tx
from conversation_engine.infra.observability.catalogue import BUDGET_REFUSALS, UNPRICED_REFUSALS
from conversation_engine.infra.observability.logs import get_logger
from conversation_engine.infra.observability.recording import SILENCE, Recorder
from conversation_engine.infra.outbox.service import Outbox
from conversation_engine.infra.outbox.types import ToldEvent
from conversation_engine.infra.signals.ports import Signals
from conversation_engine.kernel.clock import Clock
from conversation_engine.kernel.errors import InvalidInputError
from conversation_engine.kernel.ids import TurnId, UserId, parse_id
from conversation_engine.kernel.paging import Cursor, Page, make_page
from conversation_engine.kernel.people import Principal, Role, require_role

TOPIC: Final = "budgets"
"""Tells other processes that budgets were changed."""
ALERT: Final = "budget.threshold_reached"
REFUSED: Final = "budget.refused"
MOST_REMEMBERED: Final = 10_000
"""Refusals of which this process knows that they were told of: those who ask on and on cost no statement then."""
MOST_PER_PAGE: Final = 200
NOTHING: Final = Balance(spent=Amount(), reserved=Amount())
_log = get_logger(__name__)


class BudgetService:
    """The door to budgets. `start` before use, `aclose` after.

    Whom there are budgets for is remembered, so that a turn without one costs nothing; the budgets themselves are read
    in the turn's own transaction. A first budget counts at once in the process that set it, and in the others as soon
    as they hear of it: at once with Valkey or PostgreSQL, within CE_BUDGET_REFRESH_SECONDS without.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        settings: LimitSettings,
        outbox: Outbox,
        signals: Signals,
        recorder: Recorder = SILENCE,
    ) -> None:
        """Raises BadBudgetError for settings that make no sense."""
        self._database = database
        self._clock = clock
        self._outbox = outbox
        self._signals = signals
        self._recorder = recorder
        self._refuses_unknown = settings.budget_unknown_price == "refuse"
        self._defaults = parse_budgets(settings.budgets)
        self._percents = parse_percents(settings.budget_alert_percents)
        self._budgets = BudgetRepo()
        self._accounts = AccountRepo()
        self._subjects: frozenset[tuple[BudgetScope, str]] | None = None
        self._refusals: set[str] = set()
        self._watching = Chore(
            "budgets",
            self._refresh_or_doubt,
            seconds=settings.budget_refresh_seconds,
            hints=lambda: signals.subscribe(TOPIC),
            is_first_at_once=False,
        )

    async def start(self) -> None:
        """Learn whom there are budgets for, and keep knowing it."""
        await self._refresh()
        self._watching.start()

    async def aclose(self) -> None:
        """Stop looking. Idempotent."""
        await self._watching.aclose()

    # ── setting budgets ──

    async def put(self, caller: Principal, key: BudgetKey, cap: Cap) -> Budget:
        """Set the budget of this key, in place of an earlier one. Counts from now on; what was spent stays spent.

        Raises RoleForbiddenError or BadBudgetError. Idempotent. One short transaction.
        """
        require_role(caller, Role.ADMIN)
        key, cap = checked(key, cap)
        budget = await self._database.write(lambda tx: self._budgets.put(tx, key, cap, at=self._clock.now()))
        await self._tell()
        return budget

    async def remove(self, caller: Principal, budget_id: BudgetId) -> None:
        """Bound it no more. Raises RoleForbiddenError or BudgetNotFoundError."""
        require_role(caller, Role.ADMIN)
        known_id = BudgetId(parse_id(budget_id))
        if not await self._database.write(lambda tx: self._budgets.delete(tx, known_id)):
            raise BudgetNotFoundError(budget_id)
        await self._tell()

    async def get(self, caller: Principal, budget_id: BudgetId) -> Standing:
        """How a budget stands now; one for each subject has no spending of its own. Raises as `remove` does."""
        require_role(caller, Role.ADMIN)

        def work(tx: Tx) -> Standing:
            budget = self._budgets.find(tx, BudgetId(parse_id(budget_id)))
            if budget is None:
                raise BudgetNotFoundError(budget_id)
            return self._standings(tx, [budget])[0]

        return await self._database.read(work)

    async def alerts(self, caller: Principal, *, limit: int = 50) -> Sequence[ToldEvent]:
        """Lines that were reached and turns that were refused, newest first, as long as they are kept. One statement.

        Raises RoleForbiddenError.
        """
        require_role(caller, Role.ADMIN)
        return await self._outbox.newest(ALERT, REFUSED, count=limit)

    async def list_of(
        self, caller: Principal, *, cursor: str | None = None, limit: int = 50
    ) -> Page[tuple[Budget, Standing]]:
        """The budgets that were set and how they stand, newest first. Two statements. Raises RoleForbiddenError."""
        require_role(caller, Role.ADMIN)
        at = None if cursor is None else Cursor.decode(cursor, types=(UUID,))
        if not 1 <= limit <= MOST_PER_PAGE:
            raise InvalidInputError(f"`limit` is {limit}; it must be 1 to {MOST_PER_PAGE}.", field="limit")

        def work(tx: Tx) -> Sequence[tuple[Budget, Standing]]:
            budgets = self._budgets.list_all(tx, cursor=at, count=limit + 1)
            return list(zip(budgets, self._standings(tx, budgets), strict=True))

        rows = await self._database.read(work)
        return make_page(rows, limit=limit, cursor=at, key_of=lambda row: (str(row[0].id),))

    async def look(self, user_id: UserId, role: Role | None) -> Sequence[Standing]:
        """How the budgets stand that a user's turns are charged to, whatever the conversation. Two statements."""
        payers = payers_of(user_id, role)

        def work(tx: Tx) -> Sequence[Standing]:
            now = self._clock.now()
            accounts = applying([*self._defaults, *self._budgets.list_for(tx, payers)], payers, at=now)
            return self._with_balances(tx, accounts, at=now)

        return await self._database.read(work)

    async def tell_of_refusal(self, error: OverBudgetError) -> None:
        """Have it told that a budget refuses turns: once for each account, period and cap. Never raises.

        The transaction of what was refused is rolled back, so this is one of its own.
        """
        standing = error.account
        if not self._percents or not isinstance(standing, Standing):
            return
        account = standing.account
        event_id = str(uuid5(UUID(account.id), f"{REFUSED}\n{account.cap.dollars}\n{account.cap.tokens}"))
        if event_id in self._refusals:
            return
        payload = _alert(account, standing.balance, reached_percent(account, standing.balance.spent, range(1, 101)))
        try:
            await self._database.write(lambda tx: self._outbox.put(tx, REFUSED, payload, event_id=event_id))
        except ConstraintViolation:  # somebody else has told
            pass
        except Exception as broken:  # noqa: BLE001 - whoever was refused is to hear that, and nothing else
            _log.warning("budget.refusal_not_told", account=account.id, error=type(broken).__name__)
            return
        if len(self._refusals) >= MOST_REMEMBERED:
            self._refusals.clear()
        self._refusals.add(event_id)

    # ── for turns: these join the caller's transaction ──

    @property
    def may_be_any(self) -> bool:
        """Whether somebody may have a budget. No I/O."""
        return self._subjects is None or bool(self._subjects)

    def may_apply(self, payers: Payers) -> bool:
        """Whether a turn of these may be bounded. No I/O."""
        known = self._subjects
        if known is None:
            return True
        return bool(known) and any((scope, who) in known for scope, own in payers.items() for who in (own, EACH))

    def reserve(
        self, tx: Tx, turn_id: TurnId, payers: Payers, expected: Expected, *, held_until: datetime | None = None
    ) -> bool:
        """Promise the most that a call can cost to every budget that applies; whether there is one.

        `held_until`: when it is given up if nobody says `hold`; `None`: it is a turn's, and goes by its lease. Raises
        OverBudgetError or UnknownPriceError: the caller's transaction must not be committed then. Two statements, and
        one for each budget.
        """
        now = self._clock.now()
        accounts = applying([*self._defaults, *self._budgets.list_for(tx, payers)], payers, at=now)
        if not accounts:
            return False
        amount = self._amount(accounts, expected)
        self._promise(tx, accounts, amount, at=now)
        self._accounts.enter(tx, turn_id, accounts, amount, at=now, held_until=held_until)
        return True

    def hold(self, tx: Tx, turn_ids: Sequence[TurnId], *, until: datetime) -> None:
        """A sign of life for promises that are no turn's. One statement."""
        self._accounts.hold(tx, turn_ids, until=until)

    def raise_reservation(self, tx: Tx, turn_id: TurnId, more: Expected) -> None:
        """Promise more for a turn that has promised something. Raises as `reserve` does."""
        accounts = self._accounts.entered(tx, turn_id)
        amount = self._amount(accounts, more)
        self._promise(tx, accounts, amount, at=self._clock.now())
        for account in accounts:
            self._accounts.raise_entry(tx, turn_id, account, amount)

    def settle(self, tx: Tx, turn_id: TurnId, used: Amount) -> bool:
        """Put what a turn came to in the place of what it had promised, and tell of lines that are crossed by it.

        Idempotent: without a promise it changes nothing, and says so. One statement, one more for each budget.
        """
        all_settled = self._accounts.settle(tx, turn_id, used, at=self._clock.now())
        for settled in all_settled:
            self._tell_of_lines(tx, settled, used)
        return bool(all_settled)

    def amend(self, tx: Tx, turn_id: TurnId, more: Amount) -> None:
        """A turn that was settled came to so much more (or less) than was known then; one that was not is left alone.

        One statement, one more for each budget.
        """
        for amended in self._accounts.amend(tx, turn_id, more):
            self._tell_of_lines(tx, amended, more)

    def promise_more(self, tx: Tx, turn_id: TurnId, more: Amount) -> None:
        """Promise so much more for a turn that goes on although a part of it is spent. Raises OverBudgetError."""
        self.raise_reservation(tx, turn_id, Expected(tokens=more.tokens, dollars=lambda: more.dollars))

    def unsettled(self, tx: Tx, *, older_than_seconds: float, count: int) -> Sequence[TurnId]:
        """Turns that made promises some time ago and have not settled them, and all that nobody holds any more.

        One statement.
        """
        now = self._clock.now()
        before = now - timedelta(seconds=older_than_seconds)
        return self._accounts.unsettled(tx, before=before, now=now, count=count)

    # ── inside ──

    def _amount(self, accounts: Sequence[Account], expected: Expected) -> Amount:
        """What to promise; no money where none is bounded."""
        in_money = [account for account in accounts if account.cap.dollars is not None]
        dollars = expected.dollars() if in_money else Decimal(0)
        if dollars is None and self._refuses_unknown:
            self._recorder.add(UNPRICED_REFUSALS)
            raise UnknownPriceError(in_money[0].key.scope.value)
        return Amount(dollars=dollars or Decimal(0), tokens=expected.tokens)

    def _promise(self, tx: Tx, accounts: Sequence[Account], amount: Amount, *, at: datetime) -> None:
        for account in accounts:
            if not self._accounts.reserve(tx, account, amount):
                standing = self._with_balances(tx, [account], at=at)[0]
                self._recorder.add(BUDGET_REFUSALS, account.key.scope.value, account.key.period.value)
                refused = refusal(standing, amount)
                refused.account = standing
                raise refused

    def _tell_of_lines(self, tx: Tx, settled: Settled, used: Amount) -> None:
        """The account's row is locked, so whoever crosses a line is the only one who sees it crossed."""
        account, balance = settled.account, settled.balance
        spent = balance.spent
        earlier = Amount(dollars=spent.dollars - used.dollars, tokens=spent.tokens - used.tokens)
        before = reached_percent(account, earlier, self._percents)
        reached = reached_percent(account, spent, self._percents)
        lines = newly_reached(settled.alerted_percent, before, reached, self._percents)
        if not lines:
            return
        self._accounts.mark_alerted(tx, account, reached)
        for percent in lines:
            self._outbox.put(tx, ALERT, _alert(account, balance, percent))

    def _standings(self, tx: Tx, budgets: Sequence[Budget]) -> Sequence[Standing]:
        now = self._clock.now()
        return self._with_balances(tx, [account_of(budget, budget.key.subject, at=now) for budget in budgets], at=now)

    def _with_balances(self, tx: Tx, accounts: Sequence[Account], *, at: datetime) -> Sequence[Standing]:
        balances = self._accounts.balances(tx, [account.id for account in accounts]) if accounts else {}
        return [standing_of(account, balances.get(account.id, NOTHING), at=at) for account in accounts]

    async def _tell(self) -> None:
        await self._refresh()
        await self._signals.publish(TOPIC)

    async def _refresh(self) -> None:
        subjects = await self._database.read(self._budgets.subjects)
        self._subjects = subjects | {(budget.key.scope, budget.key.subject) for budget in self._defaults}

    async def _refresh_or_doubt(self) -> None:
        try:
            await self._refresh()
        except Exception:
            self._subjects = None  # each turn looks for itself, then
            raise


def payers_of(user_id: UserId, role: Role | None, **more: str | None) -> dict[BudgetScope, str]:
    """Whose budgets a user's turn is charged to; `more` scopes by name, where there is a subject."""
    payers = {BudgetScope.GLOBAL: EVERYTHING, BudgetScope.USER: str(user_id)}
    if role is not None:
        payers[BudgetScope.ROLE] = role.value
    return payers | {BudgetScope(scope): subject for scope, subject in more.items() if subject is not None}


def _alert(account: Account, balance: Balance, percent: int) -> dict[str, object]:
    key, cap, spent = account.key, account.cap, balance.spent
    return {
        "percent": percent,
        "scope": key.scope.value,
        "subject": key.subject,
        "period": key.period.value,
        "period_name": account.period_name,
        "spent_dollars": f"{spent.dollars:f}",
        "cap_dollars": None if cap.dollars is None else f"{cap.dollars:f}",
        "spent_tokens": spent.tokens,
        "cap_tokens": cap.tokens,
    }
