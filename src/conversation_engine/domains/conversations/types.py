"""The words of this domain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, NamedTuple

from conversation_engine.domains.llm.types import Sampling
from conversation_engine.kernel.ids import ConversationId, LlmRequestId, MessageId, PersonaId, TurnId, UserId
from conversation_engine.kernel.windows import NO_OPTIONS, WindowOptions

JsonObject = dict[str, Any]
Content = str | JsonObject | list[Any]
"""What a message says: text, or a JSON document."""

BEGINNING: Final = MessageId("00000000-0000-0000-0000-000000000000")
"""The place before every first message (the nil UUID of RFC 9562): name it as a parent to begin anew."""


MOST_PER_PAGE = 200
"""Rows of one page."""


class ConversationStatus(StrEnum):
    """Where a conversation is in its life; only an active one takes messages."""

    ACTIVE = "active"
    COMPLETED = "completed"
    ARCHIVED = "archived"


class BusyPolicy(StrEnum):
    """What happens to a turn whose conversation is still answering."""

    REJECT = "reject"
    """It is refused; the caller is told which turn is in the way."""
    QUEUE = "queue"
    """It waits for its place in line."""
    INTERRUPT = "interrupt"
    """The running turn ends `interrupted` with what it has said, then this one starts."""


class MessageRole(StrEnum):
    """Whose utterance a message is."""

    USER = "user"
    ASSISTANT = "assistant"
    SYSTEM = "system"


class MessageStatus(StrEnum):
    """Whether a message is whole."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    """The reply was cut (by the user, a fault or a crash): this is its beginning."""
    FALLBACK = "fallback"
    """No model could answer; this was said in its place. Costs nothing, and no model is ever shown it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A conversation without its messages. Ids are strings; times are UTC."""

    id: ConversationId
    owner_id: UserId
    type: str
    title: str | None
    status: ConversationStatus
    system_prompt: str | None
    model: str | None
    """The model that answers here unless a turn names another; `None` means the engine's default."""
    on_busy: BusyPolicy | None
    """What becomes of a turn that comes while another runs, unless it says so itself; `None` as the engine is set."""
    collection_ids: tuple[str, ...]
    """Collections of documents in which answers are looked up; empty: none are."""
    has_loans: bool
    """Whether its client was given collections, which are searched too."""
    persona_id: PersonaId | None
    """The client that is played here; then the model and its instructions are the client's, not the owner's."""
    persona_version: int | None
    supervisor_id: UserId | None
    """Who may read along: the client's teacher."""
    sampling: Sampling | None
    """How replies are drawn here, before what a turn says; in a session it wins over that."""
    window: WindowOptions
    """What the model is shown of it, as far as people chose."""
    metadata: JsonObject
    message_count: int
    last_sequence: int
    """The highest sequence number ever given out here."""
    active_leaf_id: MessageId | None
    """Where the active path ends: what is said next follows it. `None` while nothing is there."""
    is_branched: bool
    """Whether messages may have siblings; if not, the active path is all messages."""
    window_start: int
    """Sequence number that the next window begins with as long as that fits; 0: with the first message."""
    summarized_through: int
    """Sequence number of the last message that any summary covers; 0: there is none."""
    words_through: int
    """Sequence number up to which messages can be found by their words; 0: none can."""
    has_pins: bool
    """False: no message is pinned."""
    input_tokens: int
    """Prompt tokens of all turns, cached ones included."""
    output_tokens: int
    """Reply tokens of all turns."""
    cost: Decimal
    """US dollars, the sum of every attempt whose price is known."""
    created_at: datetime
    updated_at: datetime
    last_message_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One utterance."""

    id: MessageId
    conversation_id: ConversationId
    turn_id: TurnId | None
    parent_id: MessageId | None
    """What it follows; `None` for a first message. Always in the same conversation."""
    llm_request_id: LlmRequestId | None
    """The model call that made it; `None` for what people and programs said."""
    sequence_number: int
    """1, 2, 3 … per conversation, in the order of commitment; only a deleted message leaves a gap."""
    role: MessageRole
    content: Content
    status: MessageStatus
    token_count: int | None
    """Tokens of the content alone: the provider's figure for replies, our tokenizer's for the rest."""
    cost: Decimal | None
    """US dollars of the model call that made it; `None` where there was none or its price is unknown."""
    metadata: JsonObject
    created_at: datetime
    is_pinned: bool = False
    """Whether it stays in the window however old it gets."""


class Utterance(NamedTuple):
    """What a message says, without its record. A tuple: hundreds are read for one turn."""

    sequence_number: int
    role: MessageRole
    content: Content
    counted_tokens: int | None
    """o200k tokens of the content; `None`: nobody has counted them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewConversation:
    """What is needed to start one."""

    owner_id: UserId
    type: str = "general"
    title: str | None = None
    system_prompt: str | None = None
    model: str | None = None
    on_busy: BusyPolicy | None = None
    persona_id: PersonaId | None = None
    persona_version: int | None = None
    has_loans: bool = False
    supervisor_id: UserId | None = None
    sampling: Sampling | None = None
    window: WindowOptions = NO_OPTIONS
    metadata: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMessage:
    """An utterance about to be written; the store gives it its place."""

    id: MessageId
    role: MessageRole
    content: Content
    status: MessageStatus = MessageStatus.COMPLETE
    token_count: int | None = None
    """As in `Message`."""
    counted_tokens: int | None = None
    """As in `Utterance`."""
    cost: Decimal | None = None
    turn_id: TurnId | None = None
    parent_id: MessageId | None = None
    """What it follows; `None`: the active leaf; `BEGINNING`: nothing, it is a first message."""
    llm_request_id: LlmRequestId | None = None
    window_start: int | None = None
    """Of a reply: where the next window is to begin as long as that fits; `None` leaves that as it is."""
    conversation_title: str | None = None
    """Of a reply: a title for its conversation, should nobody have given one by then."""
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens and dollars to add to a conversation's totals."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationFilter:
    """Which of a user's conversations to list; `None` means any."""

    type: str | None = None
    status: ConversationStatus | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Messages in order, and whether older ones were left in the store."""

    messages: Sequence[Message]
    has_older: bool
