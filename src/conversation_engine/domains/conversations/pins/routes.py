"""Pins over HTTP."""

from typing import Annotated

from conversation_engine.domains.conversations.pins.service import PinService
from conversation_engine.domains.conversations.schemas import MessageOut
from conversation_engine.infra.web.access import Caller, service_of
from conversation_engine.infra.web.once import OnceRoute, RequestOnce
from conversation_engine.infra.web.paths import ConversationPath, MessagePath
from conversation_engine.infra.web.room import Room

router = Room("/conversations", tags=["conversations"], route_class=OnceRoute)


Pins = Annotated[PinService, service_of(PinService)]


@router.put("/{conversation_id}/messages/{message_id}/pin")
async def pin_message(
    conversation_id: ConversationPath,
    message_id: MessagePath,
    *,
    caller: Caller,
    pins: Pins,
    once: RequestOnce,
) -> MessageOut:
    """Keep it in what the model is shown, however old it gets. Idempotent."""
    pinned = await pins.pin(conversation_id, message_id, owner_id=caller.user_id, once=once)
    return MessageOut.of(pinned)


@router.delete("/{conversation_id}/messages/{message_id}/pin")
async def unpin_message(
    conversation_id: ConversationPath,
    message_id: MessagePath,
    *,
    caller: Caller,
    pins: Pins,
    once: RequestOnce,
) -> MessageOut:
    """Take its pin away. Idempotent."""
    message = await pins.unpin(conversation_id, message_id, owner_id=caller.user_id, once=once)
    return MessageOut.of(message)
