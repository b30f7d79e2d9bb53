"""Why somebody has to wait."""

from collections.abc import Mapping, Sequence

from conversation_engine.kernel.errors import EngineError, InvalidInputError, Kind


class RateLimitedError(EngineError):
    """Too much was asked for in too short a time."""

    code = "rate_limited"
    kind = Kind.RATE_LIMITED

    def __init__(self, *, retry_after: int, policies: Sequence[str], headers: Mapping[str, str] | None = None) -> None:
        """`headers` are those of the answer: how the rules stand."""
        self.headers = headers or {}
        super().__init__(
            f"That was more than is allowed at a time. Try again in {retry_after} s; nothing was stored.",
            retry_after=retry_after,
            **{"violated-policies": list(policies)},  # the member that the RateLimit draft names
        )


class BadRateRuleError(InvalidInputError):
    """A rule for rates that cannot be understood."""

    code = "bad_rate_rule"

    def __init__(self, rule: str) -> None:
        super().__init__(
            f"{rule!r} is no rule for rates. Write `CLASS WHO COUNT/PERIOD`: messages, writes, reads or tokens; user, "
            "everybody, student, teacher or admin; a whole number; second, minute, hour or day, such as "
            "`messages user 10/minute`. Several are separated by semicolons.",
            field="rate_limits",
        )


class OverBudgetError(EngineError):
    """What is left of a budget does not cover the most that the call can cost."""

    code = "over_budget"
    kind = Kind.OVER_BUDGET

    account: object = None
    """Whose cap refused it, for those who are to hear of it; never shown."""

    def __init__(self, *, whose: str, needed: str, left: str, renews: str | None, **facts: object) -> None:
        when = f"It renews at {renews}" if renews else "It does not renew: ask an admin"
        super().__init__(
            f"The budget of {whose} does not cover this: it can cost up to {needed}, and {left} is left. {when}; a "
            "shorter conversation or reply costs less. Nothing was stored.",
            renews_at=renews,
            **facts,
        )


class UnknownPriceError(EngineError):
    """A budget in money, and a model whose price nobody knows."""

    code = "unknown_price"
    kind = Kind.OVER_BUDGET

    def __init__(self, scope: str) -> None:
        super().__init__(
            f"The scope {scope} has a budget in money, and nobody knows what this model costs. Choose another "
            "model, set its price (CE_MODEL_PRICES), or allow it (CE_BUDGET_UNKNOWN_PRICE=allow).",
            scope=scope,
        )


class BudgetNotFoundError(EngineError):
    """No budget has this id."""

    code = "budget_not_found"
    kind = Kind.NOT_FOUND

    def __init__(self, budget_id: str) -> None:
        super().__init__("There is no such budget. `GET /budgets` lists them.", budget_id=budget_id)


class BadBudgetError(InvalidInputError):
    """A budget that cannot be set as it was written."""

    code = "bad_budget"
