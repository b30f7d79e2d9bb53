"""Time that moves when told to."""

from datetime import UTC, datetime, timedelta


class FakeClock:
    """A clock for tests: stands still until `advance`."""

    def __init__(self, now: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = now
        self._monotonic = 0.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, *, seconds: float) -> None:
        """Let time pass."""
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds

    def set_wall_clock(self, *, seconds: float) -> None:
        """Let somebody set the machine's clock, on or back: no time passes."""
        self._now += timedelta(seconds=seconds)
