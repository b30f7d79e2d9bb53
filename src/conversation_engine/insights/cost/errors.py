"""Why spending is not shown."""

from conversation_engine.kernel.errors import EngineError, InvalidInputError, Kind


class CostForbiddenError(EngineError):
    """Somebody else's spending is for administrators."""

    code = "cost_forbidden"
    kind = Kind.FORBIDDEN

    def __init__(self) -> None:
        super().__init__(
            "Only an administrator may see what others spent. Leave out `user_id` and `everybody` to see your own."
        )


class BadPeriodError(InvalidInputError):
    """A period that ends before it begins, or cannot be."""

    code = "bad_period"

    def __init__(self) -> None:
        super().__init__(
            "That period makes no sense: `from` must lie before `to`. Both are days (2026-01-31) or instants with a "
            "time zone (2026-01-31T12:00:00Z); `to` itself is not included.",
            field="from",
        )
