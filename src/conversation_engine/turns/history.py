"""Where a turn goes that says something otherwise."""

from conversation_engine.domains.conversations.types import BEGINNING, Message, MessageRole
from conversation_engine.kernel.ids import MessageId
from conversation_engine.turns.errors import NotEditableError, NothingToRegenerateError


def parent_of_edit(message: Message) -> MessageId:
    """What an edited `message` follows: the same as the message itself. Raises NotEditableError."""
    if message.role is not MessageRole.USER:
        raise NotEditableError(message.id)
    return message.parent_id or BEGINNING


def question_of(message: Message) -> MessageId:
    """The message to answer again: `message`, or what it replied to. Raises NothingToRegenerateError."""
    if message.role is not MessageRole.ASSISTANT:
        return message.id
    if message.parent_id is None:
        raise NothingToRegenerateError(message.id)
    return message.parent_id
