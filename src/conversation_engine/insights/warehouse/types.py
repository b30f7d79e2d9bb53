"""The words of the warehouse."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class Subject(StrEnum):
    """What a change is about."""

    SESSION = "session"
    MESSAGE = "message"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Something that is not as it was in the warehouse."""

    subject: Subject
    id: str
    generation: int
    """Grows with every change: what was carried is forgotten only if nothing has changed since."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRow:
    """A conversation, as `sessions` has it."""

    session_id: str
    created_at: datetime
    last_updated: datetime
    user_id: str
    context: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRow:
    """A message, as `message_history` has it."""

    message_id: str
    session_id: str
    role: str
    content: Any
    """Text or a JSON document."""
    timestamp: datetime
    metadata: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What is carried at a time: as it is now, or gone."""

    changes: Sequence[Change]
    sessions: Sequence[SessionRow]
    messages: Sequence[MessageRow]
    gone_sessions: Sequence[str]
    gone_messages: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far it is."""

    is_watched: bool
    """Whether changes are noted here (`convo warehouse init`)."""
    waiting: int
    """Changes that are not carried yet."""
