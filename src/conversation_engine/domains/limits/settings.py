"""Knobs of limits."""

from typing import Literal

from pydantic import BaseModel, Field


class LimitSettings(BaseModel):
    """How often people may ask, and for how much."""

    rate_limits: str | None = Field(
        None,
        description="Rules such as `messages user 10/minute; messages everybody 1000/hour; messages student 5/minute; "
        "tokens user 100000/hour; reads user 600/minute`, or `off`. Unset: the first two where CE_SECRET is set, none "
        "on a laptop (docs/limits.md).",
    )
    budgets: str = Field(
        "",
        description="Budgets that hold where none was set for the same scope, subject and period: `user day $1; global "
        "month $500; role student day 200000 tokens; conversation total $2 50000 tokens`.",
    )
    budget_unknown_price: Literal["refuse", "allow"] = Field(
        "refuse",
        description="What a budget in money does with a model whose price nobody knows: `refuse` (402), or `allow` it "
        "as if it cost nothing; its tokens count either way.",
    )
    budget_alert_percents: str = Field(
        "50,80,100", description="Shares of a budget at which an alert goes out, once a period each; empty: none."
    )
    budget_refresh_seconds: float = Field(
        5.0, gt=0, description="How long it takes at most until a process notices that another one set a first budget."
    )
