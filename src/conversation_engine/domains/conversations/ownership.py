"""Whose a conversation is."""

from conversation_engine.domains.conversations.errors import ConversationForbiddenError, ConversationNotFoundError
from conversation_engine.domains.conversations.types import Conversation
from conversation_engine.kernel.ids import ConversationId, UserId


def checked_owner(found: Conversation | None, conversation_id: ConversationId, owner_id: UserId) -> Conversation:
    """What was found, if it is the owner's. Raises ConversationNotFoundError or ConversationForbiddenError."""
    if found is None:
        raise ConversationNotFoundError(conversation_id)
    if found.owner_id != owner_id:
        raise ConversationForbiddenError(conversation_id)
    return found
