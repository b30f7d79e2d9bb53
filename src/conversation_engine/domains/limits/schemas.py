"""Limits on the wire."""

from collections.abc import Sequence

from pydantic import BaseModel, Field

from conversation_engine.domains.limits.rates import RateStanding


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


class LimitsOut(BaseModel):
    """What the caller may still do."""

    rates: list[RateOut]

    @staticmethod
    def of(rates: Sequence[RateStanding]) -> "LimitsOut":
        """The wire shape."""
        return LimitsOut(rates=[RateOut.of(one) for one in rates])
