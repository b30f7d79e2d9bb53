"""Conversations and messages on the wire."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from conversation_engine.domains.conversations.types import (
    BusyPolicy,
    Conversation,
    ConversationStatus,
    Message,
    MessageRole,
    MessageStatus,
)
from conversation_engine.kernel.windows import RecallScope, TooLongPolicy, WindowOptions, WindowStrategy

JsonObject = dict[str, Any]
ContentField = Annotated[
    str | JsonObject | list[Any], Field(description="Text, or a JSON document.", examples=["What is a lease?"])
]


class RequestBody(BaseModel):
    """A body with a field that we do not know is refused rather than half understood."""

    model_config = ConfigDict(extra="forbid")


class WindowOptionsIn(RequestBody):
    """What the model is shown of a long conversation; what is not named is as the conversation or the server says."""

    strategy: WindowStrategy | None = Field(
        None, description="`auto`, `last_messages`, `token_budget`, `summarize` or `recall`: see docs/context.md."
    )
    last_messages: int | None = Field(
        None, ge=1, le=1000, description="How many `last_messages` shows, the newest included."
    )
    budget_tokens: int | None = Field(None, ge=64, description="Most tokens of a prompt.")
    too_long: TooLongPolicy | None = Field(
        None, description="A message longer than the model can read: `error`, or `cut` its middle out."
    )
    recall_scope: RecallScope | None = Field(
        None, description="Look for older messages in this `conversation`, or in all of the `user`'s."
    )

    def options(self) -> WindowOptions:
        """What was chosen."""
        return WindowOptions(**self.model_dump(exclude_none=True))


class ConversationIn(RequestBody):
    """A conversation to start."""

    title: str | None = None
    conversation_type: str = "general"
    system_prompt: str | None = Field(None, description="What the model is told before anything else.")
    model: str | None = Field(None, description="The model that answers here; unset means the server's default.")
    on_busy: BusyPolicy | None = Field(
        None,
        description="What becomes of a turn that comes while another runs: `reject`, `queue` or `interrupt`; unset: as "
        "the server is set up. A turn may say otherwise.",
    )
    window: WindowOptionsIn | None = None
    metadata: JsonObject | None = None


class TitleIn(RequestBody):
    """A new title."""

    title: str


class ConversationChange(RequestBody):
    """What to change; what is not named stays."""

    title: str | None = None
    status: ConversationStatus | None = None
    on_busy: BusyPolicy | None = None
    window: WindowOptionsIn | None = Field(
        None, description="Replaces what was chosen before; `{}`: as the server says."
    )
    metadata: JsonObject | None = None


class MessageIn(RequestBody):
    """A message that no model is asked about."""

    role: MessageRole
    content: ContentField
    message_metadata: JsonObject | None = None


class ConversationOut(BaseModel):
    """A conversation."""

    id: str
    user_id: str
    conversation_type: str
    title: str | None
    status: ConversationStatus
    system_prompt: str | None
    model: str | None
    on_busy: BusyPolicy | None
    collection_ids: list[str] = Field(description="Collections of documents in which answers are looked up.")
    persona_id: str | None = Field(description="The client that is played here; its instructions are not shown.")
    persona_version: int | None
    window: JsonObject | None = Field(description="What people chose of what the model is shown.")
    metadata: JsonObject
    message_count: int
    active_leaf_id: str | None = Field(description="The message that the active path ends with.")
    is_branched: bool = Field(description="Whether messages may have siblings.")
    input_tokens: int = Field(description="Prompt tokens of all turns, cached ones included.")
    output_tokens: int = Field(description="Reply tokens of all turns.")
    total_tokens: int = Field(description="Their sum.")
    total_cost: Decimal = Field(description="US dollars, exact, of every model call whose price is known.")
    created_at: datetime
    updated_at: datetime
    last_message_at: datetime | None
    ended_at: datetime | None

    @staticmethod
    def of(conversation: Conversation) -> "ConversationOut":
        """The wire shape of a conversation."""
        return ConversationOut(**_conversation_fields(conversation))


class MessageOut(BaseModel):
    """A message."""

    id: str
    conversation_id: str
    turn_id: str | None
    parent_id: str | None = Field(description="The message that it follows; null for a first one.")
    llm_request_id: str | None
    sequence_number: int = Field(description="1, 2, 3 … per conversation; a deleted message leaves a gap.")
    role: MessageRole
    content: ContentField
    status: MessageStatus = Field(
        description="`partial`: the beginning of a reply that was cut. `fallback`: said because no model could "
        "answer; costs nothing, and no model is shown it."
    )
    token_count: int | None
    cost: Decimal | None = Field(description="US dollars; null where there was no model call or no known price.")
    is_pinned: bool = Field(description="Whether it stays in the model's window however old it gets.")
    metadata: JsonObject
    created_at: datetime

    @staticmethod
    def of(message: Message) -> "MessageOut":
        """The wire shape of a message."""
        return MessageOut(
            id=message.id,
            conversation_id=message.conversation_id,
            turn_id=message.turn_id,
            parent_id=message.parent_id,
            llm_request_id=message.llm_request_id,
            sequence_number=message.sequence_number,
            role=message.role,
            content=message.content,
            status=message.status,
            token_count=message.token_count,
            cost=message.cost,
            is_pinned=message.is_pinned,
            metadata=message.metadata,
            created_at=message.created_at,
        )


class ConversationWithMessages(ConversationOut):
    """A conversation with its newest messages."""

    messages: list[MessageOut] = Field(description="The newest messages, in order.")
    older: str | None = Field(description="Cursor of the messages before these, for `GET …/messages`.")


class ConversationPage(BaseModel):
    """Some conversations, newest first."""

    items: list[ConversationOut]
    next: str | None = Field(description="`cursor` of the page after this one.")
    previous: str | None = Field(description="`cursor` of the page before this one.")


class MessageList(BaseModel):
    """Some messages, all there are."""

    items: list[MessageOut]


class MessagePage(BaseModel):
    """Some messages."""

    items: list[MessageOut]
    next: str | None = Field(description="`cursor` of the page after this one.")
    previous: str | None = Field(description="`cursor` of the page before this one.")


def _conversation_fields(conversation: Conversation) -> JsonObject:
    return {
        "id": conversation.id,
        "user_id": conversation.owner_id,
        "conversation_type": conversation.type,
        "title": conversation.title,
        "status": conversation.status,
        "system_prompt": conversation.system_prompt if conversation.persona_id is None else None,
        "persona_id": conversation.persona_id,
        "persona_version": conversation.persona_version,
        "model": conversation.model,
        "on_busy": conversation.on_busy,
        "collection_ids": list(conversation.collection_ids),
        "window": conversation.window.as_json(),
        "metadata": conversation.metadata,
        "message_count": conversation.message_count,
        "active_leaf_id": conversation.active_leaf_id,
        "is_branched": conversation.is_branched,
        "input_tokens": conversation.input_tokens,
        "output_tokens": conversation.output_tokens,
        "total_tokens": conversation.input_tokens + conversation.output_tokens,
        "total_cost": conversation.cost,
        "created_at": conversation.created_at,
        "updated_at": conversation.updated_at,
        "last_message_at": conversation.last_message_at,
        "ended_at": conversation.ended_at,
    }


def with_messages(conversation: Conversation, messages: list[Message], older: str | None) -> ConversationWithMessages:
    """The wire shape of a conversation and its newest messages."""
    return ConversationWithMessages(
        **_conversation_fields(conversation), messages=[MessageOut.of(message) for message in messages], older=older
    )
