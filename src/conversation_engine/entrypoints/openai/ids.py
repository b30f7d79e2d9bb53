"""Our ids as the dialect writes them, and back: `conv_01890a5dac96774bbcceb302099a8057`."""

from typing import Final

from conversation_engine.kernel.ids import ConversationId, MessageId, TurnId, parse_id

CONVERSATION: Final = "conv"
MESSAGE: Final = "msg"
FUNCTION_CALL: Final = "fc"
CALL_OUTPUT: Final = "fco"
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


def item_id(prefix: str, message_id: MessageId, place: int) -> str:
    """Of an item that is a message, or the part of one in that place."""
    return f"{shown(prefix, message_id)}{f'_{place}' if place else ''}"


def message_id_of(text: str) -> MessageId:
    """Of the message that an item is, or is part of. Raises InvalidIdError."""
    for prefix in (MESSAGE, FUNCTION_CALL, CALL_OUTPUT):
        text = text.removeprefix(f"{prefix}_")
    return MessageId(parse_id(text.partition("_")[0]))


def place_of(text: str) -> int:
    """Which part of its message an item is."""
    place = text.rpartition("_")[2]
    return int(place) if place.isdecimal() and len(place) < 6 else 0
