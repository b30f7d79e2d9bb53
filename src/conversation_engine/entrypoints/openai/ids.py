"""Our ids as the dialect writes them, and back: `conv_01890a5dac96774bbcceb302099a8057`."""

from typing import Final

from conversation_engine.kernel.ids import ConversationId, MessageId, TurnId, parse_id

CONVERSATION: Final = "conv"
MESSAGE: Final = "msg"
RESPONSE: Final = "resp"
COMPLETION: Final = "chatcmpl"


def shown(prefix: str, key: str) -> str:
    """An id of ours with its kind before it."""
    return f"{prefix}_{key.replace('-', '')}"


def conversation_id_of(text: str) -> ConversationId:
    """Takes our own form, too, as the ids below do. Raises InvalidIdError."""
    return ConversationId(parse_id(text.removeprefix(f"{CONVERSATION}_")))


def turn_id_of(text: str) -> TurnId:
    """Of a response. Raises InvalidIdError."""
    return TurnId(parse_id(text.removeprefix(f"{RESPONSE}_")))


def message_id_of(text: str) -> MessageId:
    """Of an item. Raises InvalidIdError."""
    return MessageId(parse_id(text.removeprefix(f"{MESSAGE}_")))
