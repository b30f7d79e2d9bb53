"""The words of searching."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from conversation_engine.kernel.ids import ConversationId, MessageId, PersonaId, UserId

MOST_HITS: Final = 100
"""Of one page."""
MOST_TERMS: Final = 12
"""Of one search; what comes after them is not asked for."""


class Order(StrEnum):
    """Which come first."""

    NEWEST = "newest"
    BEST = "best"


class Whose(StrEnum):
    """Where to look."""

    ME = "me"
    CLIENTS = "clients"
    """Sessions with the asker's clients: for teachers."""


class Kind(StrEnum):
    """How a part of a search is meant."""

    WORD = "word"
    """This word, in any of its forms."""
    PHRASE = "phrase"
    """Exactly these words, one after the other."""
    PREFIX = "prefix"
    """Words that begin like this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A part of a search; all of them must be there."""

    kind: Kind
    words: tuple[str, ...]
    """Folded; of a word its stem."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Whose messages are searched: those of an owner, or of the sessions that somebody supervises."""

    user_id: UserId
    is_supervisor: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchFilter:
    """Which messages; `None` means any."""

    role: str | None = None
    type: str | None = None
    """Of the conversation."""
    client_id: PersonaId | None = None
    conversation_id: ConversationId | None = None
    start: datetime | None = None
    """Said at this instant or later …"""
    end: datetime | None = None
    """… and before this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A place in the listing: by time, or by how well it fits and then by time."""

    number: int
    score: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A message, and where it stands."""

    message_id: MessageId
    conversation_id: ConversationId
    owner_id: UserId
    sequence_number: int
    role: str
    text: str
    created_at: datetime
    title: str | None
    """Of the conversation."""
    type: str
    client_id: PersonaId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A message that was found."""

    said: Said
    snippet: str
    """A piece of it around what was sought."""
    highlights: Sequence[tuple[int, int]]
    """What was sought, as offsets in the snippet, in characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A page of a search."""

    hits: Sequence[Hit]
    next: str | None
    is_complete: bool
    """False while the index has not caught up, and more is new than a search reads itself."""
