"""Chatbot UI's history: conversations with a list of roles and words, without ids and times of messages."""

from collections.abc import Mapping
from typing import Any, Final

from conversation_engine.domains.conversations.types import MessageRole
from conversation_engine.people.moves.importing.types import Found, Read
from conversation_engine.people.moves.importing.values import (
    MalformedError,
    inside,
    note,
    notes,
    role,
    rows,
    table,
    tables,
    text,
    title,
)
from conversation_engine.people.moves.types import Problem

ROLES: Final = {known.value: known for known in MessageRole}


def read(value: Mapping[str, Any], position: str) -> Found:
    """The conversation. Raises MalformedError."""
    known = value["id"]
    key = str(known) if isinstance(known, int) else note(known)
    if not key:
        raise MalformedError("It has no `id`.")
    problems: list[Problem] = []
    messages: list[Read] = []
    for index, one in enumerate(rows(value["messages"], "`messages`")):
        at = inside(position, f"messages[{index}]")
        try:
            messages.append(_message(table(one, "The message"), index, at, messages[-1].key if messages else None))
        except MalformedError as error:
            problems.append(Problem(position=at, sentence=error.sentence))
    model: Mapping[str, Any] = value["model"] if isinstance(value.get("model"), dict) else {}
    return Found(
        source="chatbotui",
        key=key,
        position=position,
        title=title(value.get("name")),
        messages=messages,
        system_prompt=text(value.get("prompt")).strip() or None,
        metadata=notes(model=note(model.get("id"))),
        problems=problems,
    )


def _message(one: Mapping[str, Any], index: int, position: str, before: str | None) -> Read:
    whose = role(one.get("role"), ROLES, "role")
    content = one.get("content")
    parts = [text(part.get("text")) for part in tables(content)]
    return Read(
        key=f"#{index}",
        position=position,
        parent_key=before,
        role=whose,
        content=text(content) or "\n\n".join(part for part in parts if part),
    )
