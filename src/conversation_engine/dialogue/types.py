"""What an embedding product is given: plain values, ids as strings, nothing shared with the engine."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TypedDict
from uuid import UUID

from conversation_engine.domains.conversations.types import (
    Content,
    ConversationStatus,
    JsonObject,
    MessageRole,
    MessageStatus,
)

Id = UUID | str
"""An id as people pass it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationMessageDTO:
    """One utterance."""

    id: str
    conversation_id: str
    user_id: str
    """Whose conversation it is."""
    role: MessageRole
    content: Content
    sequence_number: int
    """1, 2, 3 … per conversation, without gaps."""
    status: MessageStatus
    token_count: int | None
    """Tokens of the content: the provider's figure for replies (`None` where it reports none), ours for the rest."""
    cost: Decimal | None
    """US dollars of the model call that made it; `None` where there was none or its price is unknown."""
    turn_id: str | None
    llm_request_id: str | None
    """The model call that made it; `None` for what people and programs said."""
    metadata: JsonObject
    """A copy: changing it changes nothing else."""
    created_at: datetime

    @property
    def message_order(self) -> int:
        """The same as `sequence_number`."""
        return self.sequence_number


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationSummaryDTO:
    """A conversation without its messages. Times are UTC."""

    id: str
    user_id: str
    conversation_type: str
    title: str | None
    status: ConversationStatus
    system_prompt: str | None
    model: str | None
    """The model that answers here unless a call names another; `None` means the engine's default."""
    metadata: JsonObject
    """A copy: changing it changes nothing else."""
    message_count: int
    input_tokens: int
    """Prompt tokens of all turns, cached ones included."""
    output_tokens: int
    """Reply tokens of all turns."""
    total_tokens: int
    """`input_tokens` and `output_tokens` together."""
    total_cost: Decimal
    """US dollars, the sum of every model call whose price is known."""
    created_at: datetime
    updated_at: datetime
    last_message_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationDetailDTO(ConversationSummaryDTO):
    """A conversation with its messages, oldest first."""

    messages: tuple[ConversationMessageDTO, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LLMRequestMetadata:
    """The model call behind a reply."""

    llm_request_id: str
    turn_id: str
    provider: str
    model: str
    """The provider's own name for it."""
    input_tokens: int | None
    """Everything the model read, cached tokens and cache writes included. All six figures are the provider's own:
    `None` where it reported none."""
    cached_tokens: int | None
    """The part of `input_tokens` that came from the prompt cache."""
    cache_write_tokens: int | None
    """The part of `input_tokens` that was written to the prompt cache."""
    output_tokens: int | None
    """Everything the model wrote, reasoning included."""
    reasoning_tokens: int | None
    """The part of `output_tokens` that was reasoning."""
    cost: Decimal | None
    """US dollars."""
    latency_ms: int
    """From the call to its end."""
    finish_reason: str | None
    """`stop`, `length`, … in the OpenAI dialect's words."""


class SamplingOptions(TypedDict, total=False):
    """How a reply is drawn; what is left out is the provider's choice."""

    temperature: float | None
    top_p: float | None
    reply_limit_tokens: int | None
    stop: tuple[str, ...]
    seed: int | None
