"""The words of windows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

from conversation_engine.domains.llm.parts import Parts
from conversation_engine.kernel.ids import ConversationId, LlmRequestId, MessageId, UserId
from conversation_engine.kernel.windows import RecallScope, TooLongPolicy, WindowStrategy

WindowRole = Literal["system", "user", "assistant"]


class Candidate(NamedTuple):
    """A stored message that may be shown. A tuple: hundreds are made for one turn."""

    sequence_number: int
    role: WindowRole
    text: str
    tokens: int
    """In the model's own vocabulary, without the chat template's share."""
    parts: Parts | None = None
    """Where it says more than text."""


class WindowMessage(NamedTuple):
    """A message as it will be shown."""

    role: WindowRole
    text: str
    tokens: int
    parts: Parts | None = None
    """Where it is shown as more than text."""


class Digest(NamedTuple):
    """A summary as a window uses it."""

    id: str
    last: int
    """Sequence number of the last message it covers."""
    text: str
    tokens: int
    first: int = 1
    """Of the first one; 1 unless the beginning of a long conversation was passed over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What was said up to a message, in short; as it is stored."""

    id: str
    conversation_id: ConversationId
    owner_id: UserId
    first_sequence: int
    """Of the first message it covers: 1, unless the beginning of a long conversation was passed over."""
    last_sequence: int
    last_message_id: MessageId
    text: str
    """Empty where none could be made."""
    token_count: int
    """o200k tokens of the text."""
    model: str
    llm_request_id: LlmRequestId | None
    error_code: str | None
    created_at: datetime


class Recalled(NamedTuple):
    """An older message that has to do with the question."""

    candidate: Candidate
    score: float
    conversation_id: str | None = None
    """Set where it was said in another conversation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A strategy and everything it needs to know, nothing left open."""

    strategy: WindowStrategy
    most_messages: int | None
    """For `last_messages`, the newest included."""
    budget_tokens: int | None
    """As chosen by people; the model may have room for less."""
    too_long: TooLongPolicy
    keep_share: float
    uses_summary: bool
    recall_scope: RecallScope | None
    """`None`: nothing is recalled."""
    recall_messages: int
    recall_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Room for a prompt, in tokens of the model's vocabulary."""

    total_tokens: int
    overhead_tokens: int
    """The chat template's share of each message."""
    recall_tokens: int = 0
    """The part of it that is kept free for recalled messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What is shown whatever else is left out."""

    system_prompt: str | None
    system_tokens: int
    newest: Candidate
    cut_tokens: int = 0
    """How many tokens of the newest message were cut out, to make it fit."""
    pinned: Sequence[Candidate] = ()
    """Pinned messages of the path, oldest first; those inside the window's history are not shown twice."""
    pinned_without_room: int = 0
    exchange: Sequence[Candidate] = ()
    """What stands right before the newest message and belongs to it, oldest first: the calls that it answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Which older messages are shown."""

    kept: Sequence[Candidate]
    """Oldest first, without the message to answer."""
    digest: Digest | None
    """The summary of what was said before them."""
    newest_dropped: int | None
    """Sequence number of the newest message left out; `None` when none was."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What a model is shown, in order, and the account of it."""

    messages: Sequence[WindowMessage]
    input_tokens: int
    """Our count of the whole prompt, the chat template's share included."""
    stable_messages: int
    """How many leading messages will most likely stand in the next turn's prompt, too: a prompt cache may end there."""
    start: int
    """Sequence number that the next window is to begin with as long as it fits; 0: with the first message."""
    takes_summaries: bool
    """Whether its strategy has a summary stand for what is left out."""
    recall_scope: RecallScope | None
    """Where its strategy looks for older messages."""
    manifest: dict[str, Any]
    """JSON: strategy, budget, parts with their tokens and reasons; stored with the turn. Bounded in size."""
