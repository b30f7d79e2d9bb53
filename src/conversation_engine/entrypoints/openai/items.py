"""Items: what is said, as Responses and Conversations write it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from conversation_engine.domains.conversations.documents import as_text
from conversation_engine.domains.conversations.types import Message, MessageRole, MessageStatus, NewMessage
from conversation_engine.domains.llm.types import LLMMessage
from conversation_engine.entrypoints.openai.chat_schemas import text_of_parts
from conversation_engine.entrypoints.openai.errors import BadFieldError, UnsupportedFieldError
from conversation_engine.entrypoints.openai.ids import MESSAGE, shown
from conversation_engine.infra.ids import new_id
from conversation_engine.kernel.ids import MessageId

TEXT_PARTS: Final = ("input_text", "output_text", "text")
ROLES: Final[Mapping[str, MessageRole]] = {
    "user": MessageRole.USER,
    "assistant": MessageRole.ASSISTANT,
    "system": MessageRole.SYSTEM,
    "developer": MessageRole.SYSTEM,
}
_KNOWN_FIELDS: Final = frozenset({"type", "role", "content", "id", "status", "phase"})
"""Of a message. Ids and states of items are given by the server; clients send back those that they were given."""


def said_of(item: Mapping[str, Any], *, place: str) -> NewMessage:
    """A message item as it will be written. Raises UnsupportedFieldError or BadFieldError."""
    kind = item.get("type", "message")
    if kind != "message":
        raise UnsupportedFieldError(f"{place}.type", f"items of the kind {str(kind)[:50]!r}")
    for name, value in item.items():
        if name not in _KNOWN_FIELDS and value is not None:
            raise UnsupportedFieldError(f"{place}.{name[:100]}")
    role = ROLES.get(str(item.get("role")))
    if role is None:
        raise BadFieldError(f"{place}.role", f"`{place}.role` must be one of {', '.join(ROLES)}.")
    content = item.get("content")
    if not isinstance(content, str | list):
        raise BadFieldError(f"{place}.content", f"`{place}.content` must be text or a list of parts.")
    text = text_of_parts(content, place=f"{place}.content", kinds=TEXT_PARTS)
    return NewMessage(id=MessageId(new_id()), role=role, content=text)


def all_said(given: str | Sequence[Mapping[str, Any]] | None, *, place: str) -> list[NewMessage]:
    """Everything that an input says. Raises UnsupportedFieldError or BadFieldError."""
    if given is None:
        return []
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    return [said_of(item, place=f"{place}[{number}]") for number, item in enumerate(items)]


def as_prompt(instructions: str | None, said: Sequence[NewMessage]) -> list[LLMMessage]:
    """As a model is shown it where nothing was said before."""
    head = [LLMMessage("system", instructions)] if instructions else []
    return [*head, *(LLMMessage(one.role.value, str(one.content)) for one in said)]


def item_of(message: Message) -> dict[str, Any]:
    """A stored message as an item."""
    text = as_text(message.content)
    if message.role is MessageRole.ASSISTANT:
        whole = message.status is not MessageStatus.PARTIAL
        return output_item(message.id, text, status="completed" if whole else "incomplete")
    return {
        "id": shown(MESSAGE, message.id),
        "type": "message",
        "role": message.role.value,
        "status": "completed",
        "content": [{"type": "input_text", "text": text}],
    }


def output_item(message_id: MessageId, text: str | None, *, status: str) -> dict[str, Any]:
    """What the model says; `None`: nothing yet."""
    return {
        "id": shown(MESSAGE, message_id),
        "type": "message",
        "role": "assistant",
        "status": status,
        "content": [] if text is None else [text_part(text)],
    }


def text_part(text: str) -> dict[str, Any]:
    """A piece of output."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
