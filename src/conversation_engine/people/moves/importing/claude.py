"""Claude's `conversations.json`: conversations with `chat_messages` in order, newer ones with their tree."""

from collections.abc import Mapping
from typing import Any, Final

from conversation_engine.domains.conversations.types import MessageRole
from conversation_engine.people.moves.importing.tree import silent
from conversation_engine.people.moves.importing.types import Found, Read
from conversation_engine.people.moves.importing.values import (
    MOST_NOTES,
    MalformedError,
    files,
    inside,
    moment,
    note,
    notes,
    parent,
    role,
    rows,
    shown,
    table,
    tables,
    text,
    title,
)
from conversation_engine.people.moves.types import Problem

ROLES: Final = {"human": MessageRole.USER, "user": MessageRole.USER, "assistant": MessageRole.ASSISTANT}


def read(value: Mapping[str, Any], position: str) -> Found:
    """The conversation. Raises MalformedError."""
    key = text(value.get("uuid"))
    if not key:
        raise MalformedError("It has no `uuid`.")
    problems: list[Problem] = []
    messages: list[Read] = []
    before: str | None = None
    for index, one in enumerate(rows(value["chat_messages"], "`chat_messages`")):
        at = inside(position, f"chat_messages[{index}]")
        try:
            messages.append(_message(table(one, "The message"), index, at, before))
        except MalformedError as error:
            problems.append(Problem(position=at, sentence=error.sentence))
            if isinstance(one, dict):
                messages += silent(one.get("uuid"), one.get("parent_message_uuid", before), at)
        before = messages[-1].key if messages else None
    return Found(
        source="claude",
        key=key,
        position=position,
        title=title(value.get("name")),
        messages=messages,
        leaf_key=text(value.get("current_leaf_message_uuid")) or None,
        created_at=moment(value.get("created_at")),
        updated_at=moment(value.get("updated_at")),
        metadata=notes(model=note(value.get("model"))),
        problems=problems,
    )


def _message(one: Mapping[str, Any], index: int, position: str, before: str | None) -> Read:
    whose = role(one.get("sender"), ROLES, "sender")
    blocks = list(tables(one.get("content")))
    words = [text(block.get("text")) for block in blocks if block.get("type") == "text"]
    said = "\n\n".join(word for word in words if word) or text(one.get("text"))
    tools = [name for block in blocks if (name := _tool(block)) is not None][:MOST_NOTES]
    attachments = files(one.get("attachments"), one.get("files"), one.get("files_v2"))
    content = said if said.strip() else "\n".join(filter(None, [shown(attachments), *_uses(tools)]))
    return Read(
        key=text(one.get("uuid")) or f"#{index}",
        position=position,
        parent_key=parent(one["parent_message_uuid"]) if "parent_message_uuid" in one else before,
        role=whose,
        content=content,
        created_at=moment(one.get("created_at")),
        metadata=notes(tools=tools, attachments=attachments),
        attachments=len(attachments),
        is_tool=bool(tools),
    )


def _tool(block: Mapping[str, Any]) -> str | None:
    return note(block.get("name")) or "tool" if block.get("type") == "tool_use" else None


def _uses(tools: list[str]) -> list[str]:
    return [f"[Tool: {name}]" for name in tools]
