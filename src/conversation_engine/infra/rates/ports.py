"""What is asked of whoever counts."""

from collections.abc import Sequence
from typing import Protocol

from conversation_engine.infra.rates.types import Charge, Quota, Standing


class RateWindows(Protocol):
    """Counts what happened within the last period of each quota.

    The window slides: within no stretch of a period's length more is let in than the quota has, and nothing is refused
    that would fit; hits less than a thousandth of the period apart may be counted as if they were the later one.
    """

    async def take(self, charges: Sequence[Charge]) -> Sequence[Standing]:
        """Take from all of these quotas, or from none: then at least one standing has `wait_seconds`.

        Atomic among all who share the windows. Standings come in the order of the charges.
        """
        ...

    async def look(self, quotas: Sequence[Quota]) -> Sequence[Standing]:
        """How these stand; changes nothing."""
        ...

    async def add(self, quota: Quota, units: int) -> None:
        """Count what has happened, even beyond the limit."""
        ...

    async def aclose(self) -> None:
        """Let go of connections. Idempotent."""
        ...
