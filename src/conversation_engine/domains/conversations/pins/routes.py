"""Pins over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends

from conversation_engine.domains.conversations.pins.service import PinService
from conversation_engine.domains.conversations.schemas import MessageOut
from conversation_engine.infra.web.access import Caller, service_of
from conversation_engine.infra.web.once import RequestOnce
from conversation_engine.kernel.ids import ConversationId, MessageId, parse_id

router = APIRouter(prefix="/conversations", tags=["conversations"])


async def _conversation_id(conversation_id: str) -> ConversationId:
    return ConversationId(parse_id(conversation_id))


async def _message_id(message_id: str) -> MessageId:
    return MessageId(parse_id(message_id))


Pins = Annotated[PinService, service_of(PinService)]
ConversationPath = Annotated[ConversationId, Depends(_conversation_id)]
MessagePath = Annotated[MessageId, Depends(_message_id)]


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
