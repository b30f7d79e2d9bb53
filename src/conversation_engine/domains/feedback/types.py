"""The words of feedback."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from conversation_engine.kernel.ids import ConversationId, MessageId, UserId


class Verdict(StrEnum):
    """Thumb up, thumb down."""

    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What somebody thinks; everything may be left empty, but not everything at once."""

    verdict: Verdict | None = None
    rating: int | None = None
    """1 to 5."""
    helped: str = ""
    """What helped."""
    hindered: str = ""
    """What did not."""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What an opinion is about, and who may read it."""

    conversation_id: ConversationId
    message_id: MessageId | None
    """`None`: the conversation as a whole."""
    owner_id: UserId
    """Of the conversation."""
    supervisor_id: UserId | None
    """The client's teacher."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """An opinion on record; one for each author and place."""

    id: str
    author_id: UserId
    place: Place
    opinion: Opinion
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackFilter:
    """Which feedback to list; `None` means any."""

    supervisor_id: UserId | None = None
    conversation_id: ConversationId | None = None
