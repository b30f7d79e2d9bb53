"""Which form a conversation of a file has."""

from collections.abc import Callable, Mapping
from typing import Any

from conversation_engine.people.moves.importing import chatbotui, chatgpt, claude, librechat, own, sessions
from conversation_engine.people.moves.importing.types import Entry, Found
from conversation_engine.people.moves.importing.values import MalformedError

Reader = Callable[[Mapping[str, Any], str], Found]


def read(entry: Entry) -> Found:
    """The conversation, whatever its form. Raises MalformedError."""
    value = entry.value
    if not isinstance(value, dict):
        raise MalformedError("It is no conversation.")
    reader = _reader(value)
    if reader is None:
        raise MalformedError("It has none of the forms that are known: our own, ChatGPT's, Claude's, LibreChat's.")
    return reader(value, entry.position)


def _reader(value: Mapping[str, Any]) -> Reader | None:
    if "mapping" in value:
        return chatgpt.read
    if "chat_messages" in value:
        return claude.read
    if "messages" not in value:
        return None
    if sessions.MARK in value:
        return sessions.read
    if "conversationId" in value:
        return librechat.read
    if "user_id" in value and "created_at" in value:
        return own.read
    return chatbotui.read if "id" in value else None
