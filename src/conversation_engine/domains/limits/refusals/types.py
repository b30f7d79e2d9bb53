"""The words of refusals."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from conversation_engine.kernel.ids import UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalKey:
    """What is counted together."""

    hour: datetime
    """When it begins."""
    rule: str
    """As `RateLimit` headers name it."""
    user_id: UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedInHour:
    """How often a rule refused anybody in an hour."""

    hour: datetime
    rule: str
    refused: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedPerson:
    """How often a rule refused somebody."""

    user_id: UserId
    rule: str
    refused: int
    last_at: datetime
    """To within the seconds between two writings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusals:
    """Requests that rules of rates refused."""

    since: datetime
    hours: Sequence[RefusedInHour]
    """In order; hours without any are left out."""
    people: Sequence[RefusedPerson]
    """Most often refused first."""
