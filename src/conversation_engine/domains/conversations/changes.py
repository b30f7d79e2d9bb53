"""What a change of a conversation writes. Pure."""

from dataclasses import replace
from datetime import datetime

from conversation_engine.domains.conversations.types import (
    Conversation,
    ConversationStatus,
    Message,
    NewConversation,
    NewMessage,
)
from conversation_engine.kernel.ids import MessageId, parse_id


def forked(source: Conversation, message: Message) -> NewConversation:
    """A conversation that begins as a copy of `source` up to `message`, and says so."""
    origin = {"conversation_id": source.id, "message_id": message.id}
    return NewConversation(
        owner_id=source.owner_id,
        type=source.type,
        title=source.title,
        system_prompt=source.system_prompt,
        model=source.model,
        on_busy=source.on_busy,
        persona_id=source.persona_id,
        persona_version=source.persona_version,
        has_loans=source.has_loans,
        supervisor_id=source.supervisor_id,
        sampling=source.sampling,
        window=source.window,
        metadata={**source.metadata, "forked_from": origin},
    )


def status_values(conversation: Conversation, status: ConversationStatus | None, *, at: datetime) -> dict[str, object]:
    """The columns that moving it to `status` sets; none for `None` and where it is there already."""
    if status is None or status is conversation.status:
        return {}
    is_over = status is not ConversationStatus.ACTIVE
    return {"status": status.value, "ended_at": (conversation.ended_at or at) if is_over else None}


def with_known_parent(new: NewMessage) -> NewMessage:
    """`new`, its parent's id as we write ids. Raises InvalidIdError."""
    return new if new.parent_id is None else replace(new, parent_id=MessageId(parse_id(new.parent_id)))
