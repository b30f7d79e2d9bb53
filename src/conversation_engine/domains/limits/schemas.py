"""Limits on the wire."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from conversation_engine.domains.limits.budgets import MOST_DOLLARS, MOST_TOKENS, SUBJECT_LIMIT_CHARACTERS
from conversation_engine.domains.limits.rates import RateStanding
from conversation_engine.domains.limits.refusals.types import Refusals
from conversation_engine.domains.limits.types import EACH, BudgetKey, BudgetPeriod, BudgetScope, Cap, Standing
from conversation_engine.infra.outbox.types import ToldEvent


class RateOut(BaseModel):
    """A rule for how often, and what it leaves the caller now."""

    policy: str = Field(description="As `RateLimit` headers name it.")
    counts: str = Field(description="`messages`, `writes`, `reads` or `tokens`.")
    audience: str = Field(description="`user`, `everybody` (all users together) or a role.")
    limit: int
    period_seconds: int
    remaining: int
    reset_seconds: float = Field(description="Until more is left than now; 0: nothing is used.")

    @staticmethod
    def of(one: RateStanding) -> "RateOut":
        """The wire shape."""
        return RateOut(
            policy=one.rule.name,
            counts=one.rule.counts,
            audience=one.rule.audience,
            limit=one.rule.rate.limit,
            period_seconds=one.rule.rate.period_seconds,
            remaining=one.standing.remaining,
            reset_seconds=round(one.standing.reset_seconds, 3),
        )


class BudgetIn(BaseModel):
    """A bound on what may be spent."""

    model_config = ConfigDict(extra="forbid")

    scope: BudgetScope
    subject: str = Field(
        EACH,
        min_length=1,
        max_length=SUBJECT_LIMIT_CHARACTERS,
        description="An id, or a role in the scope `role`; `*`: each one that has no budget of its own. The scope "
        "`global` has none.",
    )
    period: BudgetPeriod = Field(description="Days and months are those of UTC.")
    dollars: Decimal | None = Field(None, ge=0, le=MOST_DOLLARS, description="US dollars; null: any amount.")
    tokens: int | None = Field(None, ge=0, le=MOST_TOKENS, description="Input and output together; null: any number.")

    def key(self) -> BudgetKey:
        """What tells it from others."""
        return BudgetKey(scope=self.scope, subject=self.subject, period=self.period)

    def cap(self) -> Cap:
        """How much."""
        return Cap(dollars=self.dollars, tokens=self.tokens)


class StandingOut(BaseModel):
    """How a budget stands in its current period."""

    scope: BudgetScope
    subject: str
    period: BudgetPeriod
    dollars: Decimal | None = Field(description="The bound in US dollars; null: none.")
    tokens: int | None = Field(description="The bound in tokens; null: none.")
    spent_dollars: Decimal
    spent_tokens: int
    reserved_dollars: Decimal = Field(description="Promised for calls that run now: the most that they can cost.")
    reserved_tokens: int
    left_dollars: Decimal | None
    left_tokens: int | None
    renews_at: datetime | None = Field(description="Null: never.")


class BudgetOut(StandingOut):
    """A budget that was set. One for each subject (`*`) shows no spending: every subject has its own."""

    id: str

    @staticmethod
    def of_set(budget_id: str, standing: Standing) -> "BudgetOut":
        """The wire shape."""
        return BudgetOut(id=budget_id, **_fields(standing))


class BudgetPage(BaseModel):
    """Some budgets, newest first."""

    items: list[BudgetOut]
    next: str | None
    previous: str | None


class AlertOut(BaseModel):
    """A line of a budget that was reached, or a turn that was refused."""

    id: str
    kind: str = Field(description="`budget.threshold_reached` or `budget.refused`.")
    at: datetime
    scope: BudgetScope
    subject: str
    period: BudgetPeriod
    period_name: str = Field(description="Which one: `2026-11-22`, `2026-11`.")
    percent: int = Field(description="How much of the budget was used.")
    spent_dollars: Decimal
    cap_dollars: Decimal | None
    spent_tokens: int
    cap_tokens: int | None
    delivered_at: datetime | None = Field(description="When the webhook had taken it; null: not yet, or there is none.")
    error_code: str | None = Field(description="What went wrong with the webhook the last time.")

    @staticmethod
    def of(told: ToldEvent) -> "AlertOut":
        """The wire shape."""
        event = told.event
        return AlertOut(
            id=event.id,
            kind=event.kind,
            at=event.created_at,
            delivered_at=told.delivered_at,
            error_code=told.error_code,
            **event.payload,
        )


class AlertList(BaseModel):
    """Alerts, newest first."""

    items: list[AlertOut]


class RefusedInHourOut(BaseModel):
    """How often a rule refused anybody in an hour."""

    hour: datetime
    rule: str
    refused: int


class RefusedPersonOut(BaseModel):
    """How often a rule refused somebody."""

    user_id: str
    rule: str
    refused: int
    last_at: datetime


class RefusalsOut(BaseModel):
    """Requests that rules of rates refused."""

    since: datetime
    hours: list[RefusedInHourOut] = Field(description="In order; hours without any are left out.")
    people: list[RefusedPersonOut] = Field(description="Most often refused first, at most a hundred.")

    @staticmethod
    def of(refusals: Refusals) -> "RefusalsOut":
        """The wire shape."""
        return RefusalsOut(
            since=refusals.since,
            hours=[RefusedInHourOut(hour=one.hour, rule=one.rule, refused=one.refused) for one in refusals.hours],
            people=[
                RefusedPersonOut(user_id=one.user_id, rule=one.rule, refused=one.refused, last_at=one.last_at)
                for one in refusals.people
            ],
        )


class LimitsOut(BaseModel):
    """What the caller may still do."""

    rates: list[RateOut]
    budgets: list[StandingOut] = Field(description="Those that any turn of the caller's is charged to.")

    @staticmethod
    def of(rates: Sequence[RateStanding], budgets: Sequence[Standing]) -> "LimitsOut":
        """The wire shape."""
        return LimitsOut(
            rates=[RateOut.of(one) for one in rates],
            budgets=[StandingOut(**_fields(one)) for one in budgets],
        )


def _fields(standing: Standing) -> dict[str, Any]:
    account, balance, left = standing.account, standing.balance, standing.left
    return {
        "scope": account.key.scope,
        "subject": account.key.subject,
        "period": account.key.period,
        "dollars": account.cap.dollars,
        "tokens": account.cap.tokens,
        "spent_dollars": balance.spent.dollars,
        "spent_tokens": balance.spent.tokens,
        "reserved_dollars": balance.reserved.dollars,
        "reserved_tokens": balance.reserved.tokens,
        "left_dollars": left.dollars,
        "left_tokens": left.tokens,
        "renews_at": standing.renews_at,
    }
