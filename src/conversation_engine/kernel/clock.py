"""Time as an argument."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where the engine gets the time from."""

    def now(self) -> datetime:
        """The wall clock, timezone-aware, UTC: what rows are stamped with. Never used to order messages."""
        ...

    def monotonic(self) -> float:
        """Seconds that only grow: what durations are measured with."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()
