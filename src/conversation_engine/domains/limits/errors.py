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
