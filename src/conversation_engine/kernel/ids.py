"""Ids as they look at the public edge: canonical UUID strings."""

from typing import Final, NewType
from uuid import UUID

from conversation_engine.kernel.errors import InvalidIdError

ConversationId = NewType("ConversationId", str)
MessageId = NewType("MessageId", str)
TurnId = NewType("TurnId", str)
LlmRequestId = NewType("LlmRequestId", str)
PersonaId = NewType("PersonaId", str)
UserId = NewType("UserId", str)
"""Who owns things: the `sub` of a token, or whatever id an embedding product uses. Opaque to us."""
USER_ID_LIMIT_CHARACTERS: Final = 255
"""The columns' width."""


def parse_id(value: UUID | str) -> str:
    """Return `value` as a canonical UUID string.

    Raises InvalidIdError when it is not a UUID.
    """
    if isinstance(value, UUID):
        return str(value)
    try:
        return str(UUID(value))
    except (ValueError, AttributeError, TypeError) as error:
        raise InvalidIdError from error
