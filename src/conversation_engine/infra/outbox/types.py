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


EventListener = Callable[[OutboxEvent], Awaitable[None] | None]
"""Somebody who counts or shows events: a metric, an embedding product. What it raises is logged, and that is all."""
