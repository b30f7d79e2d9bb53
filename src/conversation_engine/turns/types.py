"""The words of turns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from conversation_engine.domains.context.questions.types import Understanding
from conversation_engine.domains.conversations.types import (
    BusyPolicy,
    Content,
    Message,
    NewConversation,
    NewMessage,
)
from conversation_engine.domains.llm.types import Attempt, Sampling
from conversation_engine.domains.retrieval.types import RetrievalOptions
from conversation_engine.kernel.ids import ConversationId, MessageId, TurnId, UserId
from conversation_engine.kernel.once import Once
from conversation_engine.kernel.people import Role
from conversation_engine.kernel.windows import NO_OPTIONS, WindowOptions

MOST_ATTEMPTS: Final = 2
"""How often a reply may be begun: anew after its process died or the model broke off, where the settings say so."""


class TurnState(StrEnum):
    """Where a turn is; see `state.py` for the ways between them."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTurn:
    """What somebody says, and how it is to be answered."""

    conversation_id: ConversationId
    owner_id: UserId
    content: Content | None
    """`None`: answer what is already there."""
    preceding: Sequence[NewMessage] = ()
    """Said before it in the same transaction, the first under `parent_id`; such a turn never waits in line."""
    starts: NewConversation | None = None
    """A conversation to start with this turn, in one transaction, under `conversation_id`: a new id then."""
    role: Role | None = None
    """The owner's, where who calls knows it: limits may go by it."""
    parent_id: MessageId | None = None
    """What it follows; `None`: the active leaf; `BEGINNING`: nothing. Without content: the message to answer."""
    model: str | None = None
    """`None`: the conversation's model, or the engine's default."""
    system_prompt: str | None = None
    """For this turn only, in place of the conversation's; `None`: the conversation's; empty: none at all."""
    sampling: Sampling = field(default_factory=Sampling)
    window: WindowOptions = NO_OPTIONS
    """For this turn only; what is left open is as the conversation says, or the settings."""
    message_metadata: Mapping[str, Any] = field(default_factory=dict)
    reply_metadata: Mapping[str, Any] = field(default_factory=dict)
    """Merged into the reply's metadata, beside provider and model."""
    retrieval: RetrievalOptions | None = None
    """How the answer is looked up in documents; `None`: as the conversation says."""
    on_busy: BusyPolicy | None = None
    """`None`: as the conversation says, or the settings."""
    once: Once | None = None
    """Set by a caller who may repeat the request: then it is one turn all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Who works on a turn, and until when without a sign of life."""

    holder: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedMessage:
    """What a turn in line will say when it starts."""

    content: Content
    metadata: Mapping[str, Any]
    parent_id: MessageId | None = None
    """As in `NewTurn`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnError:
    """Why a turn did not complete, as users may read it."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One question and its answer."""

    id: TurnId
    conversation_id: ConversationId
    owner_id: UserId
    role: Role | None
    """The owner's when the turn was asked for; `None` where nobody said."""
    state: TurnState
    attempt: int
    model: str
    system_prompt: str | None
    """As in `NewTurn`."""
    sampling: Sampling
    window: WindowOptions
    """As in `NewTurn`."""
    reply_metadata: Mapping[str, Any]
    retrieval: RetrievalOptions | None
    """As in `NewTurn`."""
    user_message_id: MessageId | None
    """The message that is answered: what was said with the turn, or else what it found."""
    reply_message_id: MessageId
    """The reply's id, given out at once; the message exists as soon as the turn has ended with text."""
    error: TurnError | None
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedQuestion:
    """A question that is being answered."""

    turn: Turn
    understanding: Understanding


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnDetail:
    """A turn with what came of it."""

    turn: Turn
    reply: Message | None
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnStarted:
    """First event of a stream: which turn this is, and the offset from which its text follows."""

    turn: Turn
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyDelta:
    """More of the reply. `offset` is the reply's length after `text`, in Unicode code points: the event's id.

    Where tools are called, that of its transcript.
    """

    offset: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallBegun:
    """The reply calls a tool; what it is called with follows. Offsets count on, whatever is said."""

    offset: int
    index: int
    """0 for the reply's first call."""
    call_id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallDelta:
    """More of the arguments of the call that was begun last."""

    offset: int
    index: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnRestarted:
    """The reply begins anew: the process that said the beginning died, and another asks the model again."""

    turn: Turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """Nothing new; the turn is alive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnEnded:
    """Last event of a stream: how it ended and what is stored."""

    detail: TurnDetail
    offset: int
    """The reply's length in Unicode code points."""


TurnEvent = TurnStarted | TurnRestarted | ReplyDelta | CallBegun | CallDelta | Heartbeat | TurnEnded
