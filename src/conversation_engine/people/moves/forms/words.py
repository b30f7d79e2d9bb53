"""Words for people who read what was said."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from conversation_engine.domains.conversations.types import Content, Conversation, Message, MessageRole, MessageStatus
from conversation_engine.domains.llm.parts import parts_of

ROLES: Final[Mapping[MessageRole, str]] = {
    MessageRole.USER: "User",
    MessageRole.ASSISTANT: "Assistant",
    MessageRole.SYSTEM: "System",
}


def title_of(conversation: Conversation) -> str:
    """Its title in one line."""
    return " ".join((conversation.title or "").split()) or "Conversation"


def time_of(at: datetime) -> str:
    """To the second."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def notes_of(message: Message) -> list[str]:
    """What a reader should know of a message beside its words."""
    notes = {MessageStatus.PARTIAL: ["cut off"], MessageStatus.FALLBACK: ["said in place of a reply"]}
    return notes.get(message.status, []) + (["pinned"] if message.is_pinned else [])


def said_in(content: Content) -> Content:
    """As people read it: calls, results, images and files as notes; the whole of them is in the JSON form."""
    parts = parts_of(content)
    return content if parts is None else parts.text
