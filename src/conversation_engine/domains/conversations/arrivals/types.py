"""The words of arrivals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from conversation_engine.domains.conversations.types import (
    ConversationStatus,
    NewConversation,
    NewMessage,
    Usage,
)
from conversation_engine.kernel.ids import ConversationId, MessageId, UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivingMessage:
    """A message under the id that it has where it comes from."""

    key: str
    parent_key: str | None
    """What it follows; always earlier in its conversation."""
    said: NewMessage
    """Checked; its ids do not count."""
    call_id: str | None = None
    """The model call that made it: it is linked where it is on record as one of this very conversation."""
    is_pinned: bool = False
    sequence_number: int | None = None
    """Where it comes from; kept in a new conversation if it can be."""
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A conversation that comes from elsewhere."""

    origin: str
    """Where from, and which one there: the same again is the same conversation."""
    known_as: str | None
    """Its id where it comes from, if that is another engine of ours: kept if nobody has it here."""
    new: NewConversation
    """Checked."""
    messages: Sequence[ArrivingMessage]
    """Parents first."""
    leaf_key: str | None = None
    """Where its active path ends; `None`: with the last message."""
    status: ConversationStatus = ConversationStatus.ACTIVE
    usage: Usage = field(default_factory=Usage)
    created_at: datetime | None = None
    updated_at: datetime | None = None
    last_message_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """What came of it."""

    conversation_id: ConversationId
    owner_id: UserId
    is_new: bool
    added: Sequence[str]
    """Keys of the messages that were not there before."""
    ids: Mapping[str, MessageId]
    """Of each message by its key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an arrival goes to."""

    conversation_id: ConversationId
    is_new: bool
    ids: Mapping[str, MessageId]
    missing: Sequence[ArrivingMessage]
    """Those that are not there yet, parents first."""
    times: Mapping[str, datetime]
    """Of each message by its key."""
    calls: frozenset[str]
    """Ids of the model calls that made some of them and are on record."""
    keeps_numbers: bool
    """Whether messages have the sequence numbers that they had."""
