"""Rules of budgets, without a store."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversation_engine.domains.limits.budgets import (
    applying,
    checked,
    newly_reached,
    parse_budgets,
    parse_percents,
    reached_percent,
)
from conversation_engine.domains.limits.errors import BadBudgetError
from conversation_engine.domains.limits.types import (
    EACH,
    EVERYTHING,
    Amount,
    Budget,
    BudgetId,
    BudgetKey,
    BudgetPeriod,
    BudgetScope,
    Cap,
)

NOW = datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)
PAYERS = {BudgetScope.GLOBAL: EVERYTHING, BudgetScope.USER: "ada", BudgetScope.ROLE: "student"}


def budget(text: str, *, is_set: bool = True) -> Budget:
    [found] = parse_budgets(text)
    return Budget(id=BudgetId(text) if is_set else None, key=found.key, cap=found.cap)


class TestParse:
    def test_a_rule_names_scope_subject_period_and_bounds(self) -> None:
        [own, everybody, each] = parse_budgets(
            "role student month $20.50 5000 tokens; global day $5; conversation total 100 tokens"
        )
        assert own.key == BudgetKey(scope=BudgetScope.ROLE, subject="student", period=BudgetPeriod.MONTH)
        assert own.cap == Cap(dollars=Decimal("20.5"), tokens=5000)
        assert (everybody.key.subject, each.key.subject) == (EVERYTHING, EACH)

    @pytest.mark.parametrize("rule", ["user day", "user $1", "nobody day $1", "user day $1.2.3", "user day -5 tokens"])
    def test_what_is_no_budget_is_refused(self, rule: str) -> None:
        with pytest.raises(BadBudgetError):
            parse_budgets(rule)

    @pytest.mark.parametrize("text", ["0", "101", "half", "50,,x"])
    def test_what_are_no_shares_are_refused(self, text: str) -> None:
        with pytest.raises(BadBudgetError):
            parse_percents(text)

    def test_shares_come_in_order(self) -> None:
        assert (parse_percents("100, 50,80,50"), parse_percents("")) == ([50, 80, 100], [])


class TestChecked:
    @pytest.mark.parametrize(
        ("subject", "cap"),
        [
            ("", Cap(tokens=1)),
            ("a\0b", Cap(tokens=1)),
            ("x" * 256, Cap(tokens=1)),
            ("ada", Cap()),
            ("ada", Cap(dollars=Decimal("NaN"))),
            ("ada", Cap(dollars=Decimal(-1))),
            ("ada", Cap(dollars=Decimal(10**9))),
            ("ada", Cap(tokens=-1)),
            ("ada", Cap(tokens=2**63)),
        ],
    )
    def test_what_cannot_be_kept_is_refused(self, subject: str, cap: Cap) -> None:
        with pytest.raises(BadBudgetError):
            checked(BudgetKey(scope=BudgetScope.USER, subject=subject, period=BudgetPeriod.DAY), cap)

    @pytest.mark.parametrize("subject", ["students", "Student", "local"])
    def test_a_role_that_nobody_can_have_is_refused(self, subject: str) -> None:
        """It would bound nobody, and nobody would be told."""
        with pytest.raises(BadBudgetError):
            checked(BudgetKey(scope=BudgetScope.ROLE, subject=subject, period=BudgetPeriod.DAY), Cap(tokens=1))

    def test_an_id_is_kept_as_ids_are_written(self) -> None:
        """Else a budget for an id in capitals would bound nobody."""
        written = "01890A5D-AC96-774B-BCCE-B302099A8057"
        for scope, subject in ((BudgetScope.CONVERSATION, written.lower()), (BudgetScope.USER, written)):
            key, _ = checked(BudgetKey(scope=scope, subject=written, period=BudgetPeriod.DAY), Cap(tokens=1))
            assert key.subject == subject

    def test_what_is_no_conversations_id_is_refused(self) -> None:
        with pytest.raises(BadBudgetError):
            checked(
                BudgetKey(scope=BudgetScope.CONVERSATION, subject="the one", period=BudgetPeriod.DAY), Cap(tokens=1)
            )


class TestApplying:
    def test_the_own_one_wins_over_that_of_each_and_what_was_set_over_the_settings(self) -> None:
        found = applying(
            [
                budget("user day 1 tokens"),
                budget("user ada day 2 tokens", is_set=False),
                budget("global month 3 tokens", is_set=False),
                budget("global month 4 tokens"),
                budget("user bob day 5 tokens"),
                budget("persona total 6 tokens"),
            ],
            PAYERS,
            at=NOW,
        )
        assert sorted(account.cap.tokens or 0 for account in found) == [2, 4]

    def test_accounts_come_in_one_order_whatever_the_order_of_the_budgets(self) -> None:
        texts = ["user day 1 tokens", "global day 1 tokens", "role student month 1 tokens", "user total 1 tokens"]
        orders = [
            [account.id for account in applying(map(budget, some), PAYERS, at=NOW)] for some in (texts, texts[::-1])
        ]
        assert orders[0] == orders[1]
        assert len(set(orders[0])) == 4

    def test_a_period_and_a_subject_have_an_account_of_their_own(self) -> None:
        ids = set()
        for payers in (PAYERS, PAYERS | {BudgetScope.USER: "bob"}):
            for at in (NOW, datetime(2027, 1, 1, tzinfo=UTC)):
                ids.update(account.id for account in applying([budget("user day 1 tokens")], payers, at=at))
        assert len(ids) == 4


class TestPeriods:
    def test_are_those_of_utc(self) -> None:
        names = [period.name_of(NOW) for period in BudgetPeriod]
        renewals = [period.renews_at(NOW) for period in BudgetPeriod]
        first = datetime(2027, 1, 1, tzinfo=UTC)
        assert (names, renewals) == (["2026-12-31", "2026-12", "ever"], [first, first, None])

    @given(st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2099, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
    def test_the_next_one_is_another_one(self, at: datetime) -> None:
        for period in (BudgetPeriod.DAY, BudgetPeriod.MONTH):
            renews = period.renews_at(at)
            assert renews is not None
            assert renews > at
            assert period.name_of(renews) != period.name_of(at)


class TestLines:
    @pytest.mark.parametrize(
        ("dollars", "tokens", "reached"),
        [("0.49", 0, 0), ("0.5", 0, 50), ("0.1", 80, 80), ("0.999999999999", 0, 80), ("1", 0, 100), ("7", 900, 100)],
    )
    def test_the_dearer_of_money_and_tokens_counts(self, dollars: str, tokens: int, reached: int) -> None:
        [account] = applying([budget("user day $1 100 tokens")], PAYERS, at=NOW)
        spent = Amount(dollars=Decimal(dollars), tokens=tokens)
        assert reached_percent(account, spent, [50, 80, 100]) == reached

    def test_each_is_crossed_once(self) -> None:
        assert newly_reached(0, 0, 80, [50, 80, 100]) == [50, 80]
        assert newly_reached(80, 80, 80, [50, 80, 100]) == []
        assert newly_reached(80, 80, 100, [50, 80, 100]) == [100]

    def test_a_lowered_cap_has_lines_nobody_was_told_of_and_a_raised_one_has_them_anew(self) -> None:
        assert newly_reached(0, 80, 100, [50, 80, 100]) == [50, 80, 100]
        assert newly_reached(100, 0, 50, [50, 80, 100]) == [50]
