"""What `DefaultChatTransport` sends, and the messages that `useChat` keeps."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from conversation_engine.entrypoints.ai_sdk.messages import UiMessageOut
from conversation_engine.entrypoints.ai_sdk.parts_in import UiPartIn
from conversation_engine.turns.schemas import AnswerIn

ID_LIMIT_CHARACTERS = 200


class UiMessageIn(BaseModel):
    """A message as `useChat` keeps it."""

    model_config = ConfigDict(extra="allow")
    id: str
    role: Literal["user", "assistant", "system"]
    parts: list[UiPartIn]

    @property
    def calls_tools(self) -> bool:
        """Whether the store may have it as several messages."""
        return self.role == "assistant" and any(part.is_call for part in self.parts)


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

    @property
    def last(self) -> UiMessageIn:
        """What is said now: a question, or a reply with what came of its calls."""
        return self.messages[-1]

    @property
    def reply_before(self) -> UiMessageIn | None:
        """The newest reply before the last message."""
        return next((one for one in reversed(self.messages[:-1]) if one.role == "assistant"), None)


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
