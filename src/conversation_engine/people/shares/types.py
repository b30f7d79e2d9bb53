"""The words of sharing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from conversation_engine.domains.conversations.types import Conversation, Message
from conversation_engine.kernel.ids import ConversationId, MessageId, UserId


class ShareMode(StrEnum):
    """What a link shows."""

    SNAPSHOT = "snapshot"
    """What was said until it was made."""
    LIVE = "live"
    """Whatever is said, as it is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewShare:
    """A link that is wanted."""

    mode: ShareMode = ShareMode.SNAPSHOT
    days: int = 7
    has_names: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A link to a conversation. Its secret is nowhere but with whom it was given to."""

    id: str
    conversation_id: ConversationId
    owner_id: UserId
    mode: ShareMode
    leaf_id: MessageId | None
    """Of a snapshot: the message that it ends with. It goes with that."""
    has_names: bool
    name: str | None
    """Of the owner, as their account says it."""
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedTalk:
    """What a link shows."""

    share: Share
    conversation: Conversation
    messages: Sequence[Message]
    next: int | None
    """The sequence number behind which it goes on; `None`: that is all."""
