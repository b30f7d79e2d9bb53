"""Where the conversations of a chat live: in this process, or on a server."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Protocol

from conversation_engine.kernel.ids import ConversationId

CONVERSATION_TYPE: Final = "chat"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatConversation:
    """A conversation, as far as a chat shows it."""

    id: ConversationId
    title: str | None
    message_count: int
    input_tokens: int
    output_tokens: int
    cost: Decimal
    created_at: datetime
    updated_at: datetime
    last_message_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatMessage:
    """A message as text."""

    speaker: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatWindow:
    """What the model would be shown."""

    messages: Sequence[ChatMessage]
    manifest: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyBegun:
    """What was said is stored, and is being answered by this turn."""

    turn_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyPiece:
    """More of the reply."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyOver:
    """How the turn ended: `completed`, `failed`, `cancelled` or `interrupted`, and why."""

    state: str
    detail: str | None


ReplyNews = ReplyBegun | ReplyPiece | ReplyOver


class ChatHouse(Protocol):
    """One person's conversations, and a model that answers in them. Raises EngineError whatever goes wrong."""

    @property
    def name(self) -> str:
        """How it is greeted."""
        ...

    @property
    def is_loading(self) -> bool:
        """Whether the model still gets ready."""
        ...

    async def begin(self, title: str | None) -> ChatConversation:
        """Start a new conversation."""
        ...

    async def find(self, conversation_id: ConversationId) -> ChatConversation:
        """One of the person's conversations, of any kind."""
        ...

    async def newest(self, count: int, *, is_active: bool = False) -> Sequence[ChatConversation]:
        """The person's newest conversations of this kind; `is_active`: only those that take messages."""
        ...

    async def said_last(self, conversation_id: ConversationId, count: int) -> Sequence[ChatMessage]:
        """The newest messages, in order."""
        ...

    async def window(self, conversation_id: ConversationId, query: str | None) -> ChatWindow:
        """What the model would be shown if `query` were said now, or else to answer what is there."""
        ...

    def say(self, conversation_id: ConversationId, text: str) -> AsyncGenerator[ReplyNews, None]:
        """Say something: ReplyBegun, pieces, ReplyOver."""
        ...

    async def stop(self, conversation_id: ConversationId, turn_id: str) -> None:
        """Stop a reply; its beginning is kept."""
        ...
