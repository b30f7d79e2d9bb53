"""The words of records."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from conversation_engine.kernel.ids import ConversationId, UserId

ANY_TYPE: Final = "*"

Rows = dict[str, list[dict[str, Any]]]
"""Rows by table: column names and values, secrets left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What erasing somebody came to."""

    user_id: UserId
    rows: dict[str, int]
    """Removed, or made nobody's, by table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasedConversation:
    """What erasing a conversation came to."""

    conversation_id: ConversationId
    rows: dict[str, int]
    """Removed, or emptied of what was said, by table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Old:
    """A conversation that is old enough to go."""

    id: ConversationId
    owner_id: UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class OldConversations:
    """Which conversations are old."""

    before: Mapping[str, datetime]
    """By type, and for all other types under `*`: when the last thing must have happened in one."""

    def has(self, kind: str, last: datetime) -> bool:
        """Whether one of this type, in which the last thing happened then, is old."""
        limit = self.before.get(kind, self.before.get(ANY_TYPE))
        return limit is not None and last < limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What a retention rule came to."""

    conversations: int
    rows: dict[str, int]
    """Of all of them, by table; empty where nothing was done but looked."""
