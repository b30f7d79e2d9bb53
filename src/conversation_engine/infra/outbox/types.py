"""The words of events."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxEvent:
    """Something that has happened."""

    id: str
    """The same at every try to deliver it."""
    kind: str
    """Such as `budget.threshold_reached`."""
    payload: Mapping[str, Any]
    """JSON."""
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldEvent:
    """An event on record, and how far it has come."""

    event: OutboxEvent
    delivered_at: datetime | None
    """When the webhook had taken it; `None`: not yet, or there is none."""
    error_code: str | None
    """What went wrong with the webhook the last time."""


EventListener = Callable[[OutboxEvent], Awaitable[None] | None]
"""Somebody who counts or shows events: a metric, an embedding product. What it raises is logged, and that is all."""
