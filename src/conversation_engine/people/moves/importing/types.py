"""The words of bringing conversations in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from conversation_engine.domains.conversations.types import Content, ConversationStatus, MessageRole, MessageStatus
from conversation_engine.people.moves.schemas import ConversationEntry
from conversation_engine.people.moves.types import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One value of a file that should be a conversation."""

    position: str
    value: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A message as a reader of some form found it."""

    key: str
    """Its id there."""
    position: str
    parent_key: str | None
    role: MessageRole
    content: Content
    """Empty: nobody said it; what follows it follows what it followed."""
    created_at: datetime | None = None
    status: MessageStatus = MessageStatus.COMPLETE
    metadata: Mapping[str, Any] = field(default_factory=dict)
    token_count: int | None = None
    cost: Decimal | None = None
    is_pinned: bool = False
    sequence_number: int | None = None
    call_id: str | None = None
    attachments: int = 0
    is_tool: bool = False
    """Whether a tool said it, or it was said to one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A conversation as a reader of some form found it."""

    source: str
    """`chatgpt`, `claude`, …"""
    key: str
    """Its id there."""
    position: str
    title: str | None
    messages: Sequence[Read]
    """In any order."""
    leaf_key: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    system_prompt: str | None = None
    status: ConversationStatus = ConversationStatus.ACTIVE
    metadata: Mapping[str, Any] = field(default_factory=dict)
    own: ConversationEntry | None = None
    """Of our own form: what only that has."""
    problems: Sequence[Problem] = ()
