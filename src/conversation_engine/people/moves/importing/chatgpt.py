"""ChatGPT's `conversations.json`: conversations whose `mapping` is a tree of nodes, some of them without a message."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from conversation_engine.domains.conversations.types import ConversationStatus, MessageRole, MessageStatus
from conversation_engine.people.moves.importing.tree import silent
from conversation_engine.people.moves.importing.types import Found, Read
from conversation_engine.people.moves.importing.values import (
    MalformedError,
    files,
    inside,
    moment,
    note,
    notes,
    parent,
    role,
    shown,
    table,
    text,
    title,
)
from conversation_engine.people.moves.types import Problem

ROLES: Final = {
    "user": MessageRole.USER,
    "assistant": MessageRole.ASSISTANT,
    "system": MessageRole.SYSTEM,
    "tool": MessageRole.ASSISTANT,
}
"""A tool's output is no instruction: it may be anybody's page. That a tool said it is noted."""
CUT: Final = frozenset({"in_progress", "finished_partial_completion"})
TEXTS: Final = ("text", "result", "content", "user_profile", "user_instructions", "model_set_context", "name")
"""Where kinds of content without parts keep their words."""


def read(value: Mapping[str, Any], position: str) -> Found:
    """The conversation. Raises MalformedError."""
    problems: list[Problem] = []
    messages: list[Read] = []
    for key, node in table(value["mapping"], "`mapping`").items():
        at = inside(position, f"mapping[{key}]")
        try:
            messages += _message(key, table(node, "The node"), at)
        except MalformedError as error:
            problems.append(Problem(position=at, sentence=error.sentence))
            messages += silent(key, node.get("parent") if isinstance(node, dict) else None, at)
    return Found(
        source="chatgpt",
        key=text(value.get("conversation_id")) or text(value.get("id")) or _key(value, messages),
        position=position,
        title=title(value.get("title")),
        messages=messages,
        leaf_key=text(value.get("current_node")) or None,
        created_at=moment(value.get("create_time")),
        updated_at=moment(value.get("update_time")),
        status=ConversationStatus.ARCHIVED if value.get("is_archived") is True else ConversationStatus.ACTIVE,
        metadata=notes(model=note(value.get("default_model_slug"))),
        problems=problems,
    )


def _key(value: Mapping[str, Any], messages: list[Read]) -> str:
    """For old files, whose conversations have no id: the first node and the time stay as they are."""
    first = messages[0].key if messages else ""
    return hashlib.sha256(f"{moment(value.get('create_time'))} {first}".encode(errors="replace")).hexdigest()


def _message(key: str, node: Mapping[str, Any], position: str) -> list[Read]:
    message = node.get("message")
    if message is None:
        return silent(key, node.get("parent"), position)
    message = table(message, "`message`")
    author = table(message.get("author"), "`author`")
    name = author.get("role")
    whose = role(name, ROLES, "role")
    said, attachments = _content(table(message.get("content"), "`content`"))
    more: Mapping[str, Any] = message["metadata"] if isinstance(message.get("metadata"), dict) else {}
    attachments += files(more.get("attachments"))
    is_hidden = more.get("is_visually_hidden_from_conversation") is True
    recipient = note(message.get("recipient"))
    kind = note(message["content"].get("content_type"))
    is_tool = name == "tool" or recipient not in (None, "all")
    read_message = Read(
        key=key,
        position=position,
        parent_key=parent(node.get("parent")),
        role=MessageRole.SYSTEM if is_hidden and name == "user" else whose,
        content=said if said.strip() else shown(attachments),
        created_at=moment(message.get("create_time")),
        status=MessageStatus.PARTIAL if text(message.get("status")) in CUT else MessageStatus.COMPLETE,
        metadata=notes(
            role="tool" if name == "tool" else None,
            tool=note(author.get("name")) if name == "tool" else None,
            to=recipient if recipient != "all" else None,
            kind=kind if kind != "text" else None,
            model=note(more.get("model_slug")),
            is_hidden=is_hidden,
            attachments=attachments,
        ),
        attachments=len(attachments),
        is_tool=is_tool,
    )
    return [read_message]


def _content(content: Mapping[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    """Its words, and what is attached to them."""
    parts = content.get("parts")
    if isinstance(parts, list):
        words = [text(one) if isinstance(one, str) else text(_words(one)) for one in parts]
        attached = [one for one in parts if isinstance(one, dict) and not _words(one)]
        return "\n".join(word for word in words if word), files(attached)
    thoughts = content.get("thoughts")
    if isinstance(thoughts, list):
        return "\n\n".join(text(one.get("content")) for one in thoughts if isinstance(one, dict)), []
    words = [text(content.get(name)) for name in TEXTS]
    return "\n\n".join(word for word in words if word), []


def _words(part: object) -> object:
    return part.get("text") if isinstance(part, dict) else None
