"""What `DefaultChatTransport` sends, and the messages that `useChat` keeps."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from conversation_engine.domains.conversations.documents import as_text
from conversation_engine.domains.conversations.types import Message
from conversation_engine.entrypoints.ai_sdk.errors import NothingSaidError, UnsupportedPartError
from conversation_engine.turns.schemas import AnswerIn

ID_LIMIT_CHARACTERS = 200
SILENT_PARTS = frozenset({"step-start", "reasoning"})
"""Parts that say nothing to the model."""


class UiPartIn(BaseModel):
    """A part of a message; fields that we do not know are the SDK's own."""

    model_config = ConfigDict(extra="allow")
    type: str
    text: str | None = None


class UiMessageIn(BaseModel):
    """A message as `useChat` keeps it."""

    model_config = ConfigDict(extra="allow")
    id: str
    role: Literal["user", "assistant", "system"]
    parts: list[UiPartIn]

    def text(self) -> str:
        """What it says. Raises UnsupportedPartError."""
        for part in self.parts:
            if part.type != "text" and part.type not in SILENT_PARTS and not part.type.startswith("data-"):
                raise UnsupportedPartError(part.type)
        return "\n".join(part.text or "" for part in self.parts if part.type == "text")


class UiChatIn(AnswerIn):
    """What `useChat` sends. The rest of the body, such as `model`, comes from the transport's `body`."""

    id: str = Field(
        min_length=1,
        max_length=ID_LIMIT_CHARACTERS,
        description="A conversation's id, or any name of yours: it stands for a conversation that is yours alone.",
        examples=["greeting-7f3a"],
    )
    messages: Annotated[list[UiMessageIn], Field(min_length=1, max_length=10_000)] = Field(
        description="What your page shows. What was said before is taken from the store, not from here; the last "
        "one is said now.",
        examples=[[{"id": "m1", "role": "user", "parts": [{"type": "text", "text": "What is a lease?"}]}]],
    )
    trigger: Literal["submit-message", "regenerate-message"] = "submit-message"
    message_id: str | None = Field(
        None,
        alias="messageId",
        description="With `regenerate-message`, the reply to say anew; with `submit-message`, the message that the "
        "last one replaces.",
    )
    system_prompt: str | None = Field(None, description="Of the conversation, if this starts it.")

    def question(self) -> UiMessageIn:
        """The message to answer. Raises NothingSaidError."""
        if self.messages[-1].role != "user":
            raise NothingSaidError
        return self.messages[-1]

    def said_before(self) -> str | None:
        """The id of the newest reply before the question: one that we gave, unless the page made it up."""
        earlier = [message.id for message in self.messages[:-1] if message.role == "assistant"]
        return earlier[-1] if earlier else None


class UiTextPart(BaseModel):
    """Text."""

    type: Literal["text"] = "text"
    text: str


class UiMessageOut(BaseModel):
    """A message as `useChat` keeps it."""

    id: str
    role: str
    parts: list[UiTextPart]
    metadata: dict[str, Any]

    @staticmethod
    def of(message: Message) -> "UiMessageOut":
        """The wire shape of a message."""
        metadata = {"status": message.status, "created_at": message.created_at, "turn_id": message.turn_id}
        parts = [UiTextPart(text=as_text(message.content))]
        return UiMessageOut(id=message.id, role=message.role, parts=parts, metadata=metadata)


class ChatOut(BaseModel):
    """A conversation as a page needs it to begin with."""

    id: str = Field(description="As it was asked for.")
    conversation_id: str
    title: str | None
    created_at: datetime
    messages: list[UiMessageOut] = Field(description="The newest of the active path, in order.")


class StoppedOut(BaseModel):
    """What was stopped."""

    stopped: int = Field(description="Turns that were running or waiting in line.")
