"""What the server tells, as values. Fields that a newer server adds are ignored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal

TurnState = Literal["queued", "running", "completed", "failed", "cancelled", "interrupted"]
Content = str | dict[str, Any] | list[Any]
"""Text, or a JSON document."""
ENDS: Final = frozenset({"completed", "failed", "cancelled", "interrupted"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """Something said."""

    id: str
    conversation_id: str
    turn_id: str | None
    parent_id: str | None
    sequence_number: int
    role: Literal["user", "assistant", "system", "tool"]
    content: Content
    status: str
    """`complete`; `partial`: the beginning of a reply that was cut; `fallback`: said because no model could answer."""
    token_count: int | None
    cost: Decimal | None
    """US dollars, exact."""
    is_pinned: bool
    metadata: Mapping[str, Any]
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A conversation."""

    id: str
    user_id: str
    conversation_type: str
    title: str | None
    status: str
    """`active`, `completed` or `archived`."""
    system_prompt: str | None
    model: str | None
    metadata: Mapping[str, Any]
    message_count: int
    input_tokens: int
    output_tokens: int
    total_cost: Decimal
    """US dollars, exact."""
    created_at: datetime
    updated_at: datetime
    last_message_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of model calls."""

    input_tokens: int
    """Everything that was read, cached tokens and cache writes included."""
    cached_tokens: int
    cache_write_tokens: int
    output_tokens: int
    """Everything that was written, reasoning included."""
    reasoning_tokens: int
    source: Literal["provider", "estimated"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One model call."""

    provider: str
    model: str
    status: str
    latency_ms: int
    first_token_ms: int | None
    usage: Usage | None
    cost: Decimal | None
    finish_reason: str | None
    error_code: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnError:
    """Why a turn did not complete."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnSummary:
    """A turn, without what came of it."""

    id: str
    state: TurnState
    attempt: int
    model: str
    user_message_id: str | None
    reply_message_id: str
    error: TurnError | None
    created_at: datetime
    finished_at: datetime | None

    @property
    def is_over(self) -> bool:
        """Whether it has ended, however it did."""
        return self.state in ENDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn(TurnSummary):
    """One question and its answer."""

    conversation_id: str
    message: Message | None
    """The reply; `None` while the turn runs, and when nothing was said."""
    usage: Usage | None
    cost: Decimal | None
    """US dollars, exact; `None` where a price is unknown."""
    attempts: Sequence[Attempt]

    @property
    def text(self) -> str:
        """The reply as text; empty where there is none."""
        return self.message.content if self.message and isinstance(self.message.content, str) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowMessage:
    """A message as the model would be shown it."""

    role: str
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What the model would be shown."""

    messages: Sequence[WindowMessage]
    manifest: Mapping[str, Any]
    """What was left out, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnStarted:
    """What was said is stored, and is being answered. Comes once, whatever happens to the connection."""

    turn: Turn


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyDelta:
    """More of the reply."""

    text: str
    offset: int
    """The reply's length with it, in Unicode code points: `follow(after=offset)` goes on from here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallBegun:
    """The reply calls a tool; what it is called with follows. Only where another door offered the model tools."""

    index: int
    call_id: str
    name: str
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallDelta:
    """More of what a tool is called with, as JSON."""

    index: int
    text: str
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnRestarted:
    """The reply begins anew: forget the text so far."""

    turn: Turn


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnEnded:
    """The last event: how the turn ended."""

    turn: Turn


TurnEvent = TurnStarted | ReplyDelta | ToolCallBegun | ToolCallDelta | TurnRestarted | TurnEnded
