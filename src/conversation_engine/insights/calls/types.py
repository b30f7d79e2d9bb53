"""The words of model calls, looked at from afar."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
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


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedCall:
    """A model call as its conversation's owner may know it: not what was asked, nor the service's own words."""

    id: str
    provider: str
    model: str
    status: str
    """`completed`, `failed` or `cancelled`."""
    attempt: int
    latency_ms: int
    first_token_ms: int | None
    input_tokens: int | None
    """Cached ones and cache writes included."""
    output_tokens: int | None
    """Reasoning included."""
    cached_tokens: int | None
    cache_write_tokens: int | None
    reasoning_tokens: int | None
    usage_source: str | None
    """Who counted: `provider`, `estimated` or `caller`."""
    cost: Decimal | None
    """US dollars; `None`: unknown."""
    finish_reason: str | None
    error_code: str | None
    created_at: datetime
