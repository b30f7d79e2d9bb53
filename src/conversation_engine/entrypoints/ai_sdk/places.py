"""Which conversation a chat's id stands for."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import NAMESPACE_URL, UUID, uuid5

from conversation_engine.domains.conversations.errors import ConversationNotFoundError
from conversation_engine.domains.conversations.service import ConversationService
from conversation_engine.domains.conversations.types import MOST_PER_PAGE, Conversation, Message
from conversation_engine.kernel.ids import ConversationId, UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatPlace:
    """Where a chat is kept, or will be."""

    conversation_id: ConversationId
    conversation: Conversation | None
    """`None`: nothing was said there yet."""


async def place_of(chat_id: str, *, owner_id: UserId, conversations: ConversationService) -> ChatPlace:
    """A conversation's id stands for it; any other name for a conversation of this owner's that has its id by the name.

    So pages may name chats as they like, and nobody's name leads to what is somebody else's. Raises
    ConversationForbiddenError for the id of a conversation that is.
    """
    if _is_uuid(chat_id) and (named := await _found(ConversationId(str(UUID(chat_id))), owner_id, conversations)):
        return ChatPlace(conversation_id=named.id, conversation=named)
    conversation_id = ConversationId(
        str(uuid5(NAMESPACE_URL, f"conversation-engine:chat:{len(owner_id)}:{owner_id}:{chat_id}"))
    )
    return ChatPlace(
        conversation_id=conversation_id, conversation=await _found(conversation_id, owner_id, conversations)
    )


async def newest(
    conversation_id: ConversationId, *, owner_id: UserId, conversations: ConversationService, limit: int = MOST_PER_PAGE
) -> Sequence[Message]:
    """The newest messages of the active path, in order."""
    page = await conversations.path(conversation_id, owner_id=owner_id, limit=limit, newest_first=True)
    return page.items[::-1]


async def _found(
    conversation_id: ConversationId, owner_id: UserId, conversations: ConversationService
) -> Conversation | None:
    try:
        return await conversations.get(conversation_id, owner_id=owner_id)
    except ConversationNotFoundError:
        return None


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
