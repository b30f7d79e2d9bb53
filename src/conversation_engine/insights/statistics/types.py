"""The words of statistics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Final

from conversation_engine.kernel.ids import UserId

MOST_DAYS: Final = 3660
"""Of one question: ten years."""
LENGTHS: Final = (2, 10, 50)
"""Up to so many messages a conversation is in the first, second or third class of lengths; else in the fourth."""


class Whose(StrEnum):
    """Whose conversations."""

    ME = "me"
    CLIENTS = "clients"
    """Sessions with the asker's clients: for teachers."""
    EVERYBODY = "everybody"
    """For admins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which conversations count; neither means all of them."""

    owner_id: UserId | None = None
    supervisor_id: UserId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """Some UTC days."""

    start: date
    end: date
    """Not included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """What was said and called; whatever was deleted since does not count."""

    user_messages: int = 0
    replies: int = 0
    """Of models; partial and fallback replies included."""
    partial_replies: int = 0
    """Broken off or cancelled."""
    fallback_replies: int = 0
    """Said in the place of a model that could not."""
    lookups: int = 0
    """Replies for which documents were searched."""
    lookups_found: int = 0
    """Of these: something was found."""
    lookups_answerable: int = 0
    """… what was found was shown to the model."""
    lookups_cited: int = 0
    """… the reply names a source."""
    lookups_misquoted: int = 0
    """… it names a source that it was not given."""
    lookup_cache_hits: int = 0
    """… the question's meaning was known already."""
    lookup_cache_misses: int = 0
    timed_messages: int = 0
    """Messages whose metadata say a `processing_time_ms`."""
    processing_us: int = 0
    """The sum of these, in microseconds."""
    calls: int = 0
    """Model calls: titles and summaries too."""
    failed_calls: int = 0
    cancelled_calls: int = 0
    cache_hit_calls: int = 0
    """Calls of which the model service had read a part before."""
    input_tokens: int = 0
    """Cached ones included."""
    cached_tokens: int = 0
    output_tokens: int = 0
    cost: Decimal = Decimal(0)
    latency_ms: int = 0
    """The sum over completed calls."""
    first_tokens: int = 0
    """Completed calls whose first word was timed."""
    first_token_ms: int = 0
    """The sum over those."""
    under_1s: int = 0
    """Completed calls that took less than this long; each is in one of these classes, or took longer."""
    under_3s: int = 0
    under_10s: int = 0
    under_30s: int = 0

    @property
    def completed_calls(self) -> int:
        """Calls that went well."""
        return self.calls - self.failed_calls - self.cancelled_calls


@dataclass(frozen=True, slots=True, kw_only=True)
class DayRow:
    """One UTC day."""

    day: str
    started: int
    """Conversations begun."""
    conversations: int
    """Conversations in which people said something."""
    people: int
    """Who said something."""
    sums: Sums


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Conversations that have something in common."""

    conversations: int = 0
    messages: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: Decimal = Decimal(0)

    def plus(self, other: "Group") -> "Group":
        """Both together."""
        return Group(
            conversations=self.conversations + other.conversations,
            messages=self.messages + other.messages,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cost=self.cost + other.cost,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """All conversations that there are."""

    total: Group
    by_type: Mapping[str, Group]
    by_status: Mapping[str, Group]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """How many conversations have how many messages."""

    counts: tuple[int, int, int, int]
    """By `LENGTHS`; those without a message are in none."""
    longest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Returns:
    """Who came back in the period."""

    people: int
    """Who said something."""
    returned: int
    """Of these: on more than one day."""
    days: int
    """Days on which they did, of all together."""
    conversations: int
    """In so many conversations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinions:
    """Feedback given in the period."""

    count: int
    up: int
    down: int
    ratings: tuple[int, int, int, int, int]
    """How often 1 to 5."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engagement:
    """Whether people stay and come back, and what they think."""

    lengths: Lengths
    returns: Returns
    opinions: Opinions
    messages: int
    """That people said in the period."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """How it went in the period."""

    sums: Sums
    errors: Sequence[tuple[str, int]]
    """Codes of failed calls, the most frequent first."""
