"""The words of the audit log."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from conversation_engine.kernel.ids import UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """Something done, about to be written down."""

    action: str
    """`noun.verb_past`: `user.signed_in`, `conversation.looked_at`."""
    actor_id: UserId | None
    """Who did it; `None`: nobody who had proved who they are."""
    subject_id: UserId | None = None
    """Whom it was done to, or whose thing was looked at."""
    target: str | None = None
    """Which thing: `conversation:ID`, `persona:ID`."""
    address: str | None = None
    """Where the request came from."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """JSON; never a secret, never what people said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """A deed on record."""

    id: str
    at: datetime
    deed: Deed


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which events to list; `None` means any."""

    actor_id: UserId | None = None
    subject_id: UserId | None = None
    action: str | None = None
