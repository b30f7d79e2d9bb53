"""What may be kept of what callers send."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from conversation_engine.domains.conversations.documents import checked_json
from conversation_engine.domains.conversations.settings import ConversationSettings
from conversation_engine.domains.conversations.types import (
    MOST_PER_PAGE,
    Content,
    JsonObject,
    NewConversation,
    NewMessage,
)
from conversation_engine.domains.llm.parts import parts_of
from conversation_engine.domains.llm.tokens import count_tokens
from conversation_engine.kernel.errors import InvalidInputError
from conversation_engine.kernel.ids import UserId
from conversation_engine.kernel.text import checked_text

TYPE_LIMIT_CHARACTERS = 50
MODEL_LIMIT_CHARACTERS = 255
OWNER_LIMIT_CHARACTERS = 255


class Checks:
    """Limits by setting; what passes can be stored by either database and sent over any wire."""

    def __init__(self, settings: ConversationSettings) -> None:
        self._settings = settings

    def title(self, title: str) -> str:
        """`title` unchanged. Raises InvalidTextError."""
        return checked_text(title, name="title", limit_characters=self._settings.title_limit_characters)

    def message(self, new: NewMessage) -> NewMessage:
        """`new` with its tokens counted and its metadata copied.

        Raises InvalidTextError or InvalidInputError if it cannot be kept.
        """
        text = self._content(new.content)
        counted = count_tokens(text) + self._media_tokens(new.content)
        tokens = counted if new.token_count is None else new.token_count
        return replace(new, token_count=tokens, counted_tokens=counted, metadata=self.metadata(new.metadata))

    def prompt(self, text: str) -> str:
        """`text` as a system prompt; it may be empty. Raises InvalidTextError if it cannot be kept."""
        return checked_text(
            text,
            name="system prompt",
            limit_characters=self._settings.message_limit_characters,
            blank_allowed=True,
        )

    def metadata(self, metadata: Mapping[str, Any] | None) -> JsonObject:
        """A copy of `metadata`, `{}` for `None`. Raises InvalidInputError if it is not JSON that can be kept."""
        if not metadata:
            return {}
        limit = self._settings.metadata_limit_characters
        copied: JsonObject = json.loads(checked_json(dict(metadata), name="metadata", limit_characters=limit))
        return copied

    def conversation(self, new: NewConversation) -> NewConversation:
        """`new` with its metadata copied. Raises InvalidTextError or InvalidInputError."""
        if new.title is not None:
            checked_text(new.title, name="title", limit_characters=self._settings.title_limit_characters)
        if new.system_prompt is not None:
            checked_text(
                new.system_prompt,
                name="system prompt",
                limit_characters=self._settings.message_limit_characters,
            )
        if new.model is not None:
            checked_text(new.model, name="model", limit_characters=MODEL_LIMIT_CHARACTERS)
        checked_text(new.type, name="conversation type", limit_characters=TYPE_LIMIT_CHARACTERS)
        check_owner(new.owner_id)
        return replace(new, metadata=self.metadata(new.metadata))

    def _content(self, content: Content) -> str:
        limit = self._settings.message_limit_characters
        if isinstance(content, str):
            return checked_text(content, name="message", limit_characters=limit)
        if not content:
            raise InvalidInputError("The message is empty. Write something first.", field="content")
        parts = parts_of(content)
        if parts is None:
            return checked_json(content, name="message", limit_characters=limit)
        media = sum(len(part.url) for part in parts.media)
        most = self._settings.media_limit_characters
        if media > most:
            raise InvalidInputError(
                f"Images and files have {media} characters; a message may have {most} of them. Send smaller ones, or "
                "their addresses.",
                field="content",
                limit_characters=most,
            )
        checked_json(content, name="message", limit_characters=limit + media)
        return parts.text

    def _media_tokens(self, content: Content) -> int:
        parts = None if isinstance(content, str) else parts_of(content)
        return 0 if parts is None else parts.media_tokens


def check_owner(owner_id: UserId) -> None:
    """Raises InvalidTextError for an owner who cannot be."""
    checked_text(owner_id, name="user id", limit_characters=OWNER_LIMIT_CHARACTERS)


def check_filter(wanted_type: str) -> None:
    """Raises InvalidTextError for a type that nothing can have."""
    limit = TYPE_LIMIT_CHARACTERS
    checked_text(wanted_type, name="conversation type", limit_characters=limit, blank_allowed=True)


def checked_limit(limit: int) -> int:
    """`limit` as a number of rows. Raises InvalidInputError."""
    if not 1 <= limit <= MOST_PER_PAGE:
        raise InvalidInputError(f"`limit` is {limit}; it must be between 1 and {MOST_PER_PAGE}.", field="limit")
    return limit
