"""Items: what is said, as Responses and Conversations write it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from conversation_engine.domains.conversations.documents import as_text
from conversation_engine.domains.conversations.types import Content, Message, MessageRole, MessageStatus, NewMessage
from conversation_engine.domains.llm.parts import Part, Parts, ToolCall, ToolResult, parts_of
from conversation_engine.domains.llm.types import LLMMessage
from conversation_engine.entrypoints.openai.errors import BadFieldError, UnsupportedFieldError
from conversation_engine.entrypoints.openai.ids import CALL_OUTPUT, FUNCTION_CALL, MESSAGE, item_id
from conversation_engine.entrypoints.openai.media import as_input_parts, said_in
from conversation_engine.entrypoints.openai.texts import TEXT_PARTS, text_of_parts
from conversation_engine.entrypoints.openai.tools import call_item, result_of
from conversation_engine.infra.ids import new_id
from conversation_engine.kernel.ids import MessageId

ROLES: Final[Mapping[str, MessageRole]] = {
    "user": MessageRole.USER,
    "assistant": MessageRole.ASSISTANT,
    "system": MessageRole.SYSTEM,
    "developer": MessageRole.SYSTEM,
}
_KNOWN_FIELDS: Final[Mapping[str, frozenset[str]]] = {
    "message": frozenset({"type", "role", "content", "id", "status", "phase"}),
    "function_call": frozenset({"type", "call_id", "name", "arguments", "id", "status"}),
    "function_call_output": frozenset({"type", "call_id", "output", "id", "status"}),
}
"""By kind. Ids and states of items are given by the server; clients send back those that they were given."""


def said_of(item: Mapping[str, Any], *, place: str) -> NewMessage:
    """An item as it will be written. Raises UnsupportedFieldError or BadFieldError."""
    kind = item.get("type") or "message"
    known = _KNOWN_FIELDS.get(kind) if isinstance(kind, str) else None
    if known is None:
        raise UnsupportedFieldError(f"{place}.type", f"items of the kind {str(kind)[:50]!r}")
    for name, value in item.items():
        if name not in known and value is not None:
            raise UnsupportedFieldError(f"{place}.{name[:100]}")
    if kind == "function_call":
        return _said(MessageRole.ASSISTANT, Parts((call_item(item, place=place),)))
    if kind == "function_call_output":
        names = ("call_id", "output")
        given = (item.get("call_id"), item.get("output"))
        return _said(MessageRole.USER, Parts((result_of(*given, place=place, names=names),)))
    role = ROLES.get(str(item.get("role")))
    if role is None:
        raise BadFieldError(f"{place}.role", f"`{place}.role` must be one of {', '.join(ROLES)}.")
    content = item.get("content")
    if not isinstance(content, str | list):
        raise BadFieldError(f"{place}.content", f"`{place}.content` must be text or a list of parts.")
    if role is MessageRole.USER:
        return _said(role, said_in(content, place=f"{place}.content"))
    return _said(role, text_of_parts(content, place=f"{place}.content", kinds=TEXT_PARTS))


def all_said(given: str | Sequence[Mapping[str, Any]] | None, *, place: str) -> list[NewMessage]:
    """Everything that an input says. Raises UnsupportedFieldError or BadFieldError."""
    if given is None:
        return []
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    return [said_of(item, place=f"{place}[{number}]") for number, item in enumerate(items)]


def as_prompt(instructions: str | None, said: Sequence[NewMessage]) -> list[LLMMessage]:
    """As a model is shown it where nothing was said before."""
    head = [LLMMessage("system", instructions)] if instructions else []
    return [*head, *(LLMMessage(one.role.value, parts_of(one.content) or str(one.content)) for one in said)]


def items_of(message: Message) -> list[dict[str, Any]]:
    """A stored message as items: one, but for replies that call functions."""
    status = "incomplete" if message.status is MessageStatus.PARTIAL else "completed"
    if (parts := parts_of(message.content)) is not None:
        if message.role is not MessageRole.ASSISTANT and not parts.results:
            return [_user_item(message, as_input_parts(parts.items), 0)]
        last = len(parts.items) - 1
        return [
            _part_item(message, part, place, status if place == last else "completed")
            for place, part in enumerate(parts.items)
        ]
    return [_message_item(message, as_text(message.content), 0, status)]


def output_items(message_id: MessageId, content: Content, *, status: str) -> list[dict[str, Any]]:
    """What a model has said, as items; `status` is that of the last, for those before it are whole."""
    parts = parts_of(content)
    if parts is None:
        return [output_item(message_id, str(content), status=status)]
    last = len(parts.items) - 1
    return [
        _spoken(message_id, part, place, status=status if place == last else "completed")
        for place, part in enumerate(parts.items)
    ]


def _spoken(message_id: MessageId, part: Part, place: int, *, status: str) -> dict[str, Any]:
    if isinstance(part, ToolCall):
        return call_output(message_id, part, place, status=status)
    return output_item(message_id, part.text, status=status, place=place)


def call_output(message_id: MessageId, call: ToolCall, place: int, *, status: str) -> dict[str, Any]:
    """A call that a model makes."""
    return {
        "id": item_id(FUNCTION_CALL, message_id, place),
        "type": "function_call",
        "call_id": call.id,
        "name": call.name,
        "arguments": call.arguments,
        "status": status,
    }


def output_item(message_id: MessageId, text: str | None, *, status: str, place: int = 0) -> dict[str, Any]:
    """What the model says; `None`: nothing yet."""
    return {
        "id": item_id(MESSAGE, message_id, place),
        "type": "message",
        "role": "assistant",
        "status": status,
        "content": [] if text is None else [text_part(text)],
    }


def text_part(text: str) -> dict[str, Any]:
    """A piece of output."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _said(role: MessageRole, content: str | Parts) -> NewMessage:
    stored = content if isinstance(content, str) else content.as_json()
    return NewMessage(id=MessageId(new_id()), role=role, content=stored)


def _part_item(message: Message, part: Part, place: int, status: str) -> dict[str, Any]:
    match part:
        case ToolCall():
            return call_output(message.id, part, place, status=status)
        case ToolResult(call_id=call_id, output=output):
            return {
                "id": item_id(CALL_OUTPUT, message.id, place),
                "type": "function_call_output",
                "call_id": call_id,
                "output": output,
                "status": "completed",
            }
        case _:
            return _message_item(message, part.text, place, status)


def _message_item(message: Message, text: str, place: int, status: str) -> dict[str, Any]:
    if message.role is MessageRole.ASSISTANT:
        return output_item(message.id, text, status=status, place=place)
    return _user_item(message, [{"type": "input_text", "text": text}], place)


def _user_item(message: Message, content: list[dict[str, Any]], place: int) -> dict[str, Any]:
    return {
        "id": item_id(MESSAGE, message.id, place),
        "type": "message",
        "role": message.role.value,
        "status": "completed",
        "content": content,
    }
