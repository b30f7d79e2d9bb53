"""The words of model calls, looked at from afar."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from conversation_engine.kernel.ids import UserId

MOST_CALLS: Final = 200
"""Of one page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureFilter:
    """Which failed calls."""

    search: str | None = None
    """Somewhere in the code, the service's own words, the model or the user's id; upper and lower case are the same."""
    code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedCall:
    """A model call that failed, and the turn behind it."""

    id: str
    conversation_id: str
    owner_id: UserId
    turn_id: str | None
    attempt: int
    model: str
    """With its provider: `openai/gpt-5-mini`."""
    latency_ms: int
    code: str
    cause: str | None
    """The service's own words."""
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast a model answers: of its newest calls in the period, at most `PACE_CALLS`."""

    model: str
    calls: int
    failed: int
    first_token_ms: tuple[int, int] | None
    """The median and the 95th percentile, of completed calls."""
    latency_ms: tuple[int, int] | None
