"""The words of rates."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """So many units within any stretch of time of this length, for one key."""

    key: str
    """Whom it counts for; the same key counts together, whoever asks."""
    limit: int
    period_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """Something that is to happen, and what it takes from a quota."""

    quota: Quota
    units: int = 1
    """0: takes nothing, but is refused all the same where nothing is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a quota stands."""

    quota: Quota
    remaining: int
    """Units left now; 0 also where more was used than the quota has (see `RateWindows.add`)."""
    reset_seconds: float
    """Until more is left than now; 0 where nothing is used."""
    wait_seconds: float = 0
    """Until what was refused would fit; 0 where this quota refused nothing."""
