"""LibreChat's export of a conversation: `messages` in a list, or in each other's `children`."""

from collections.abc import Iterator, Mapping
from typing import Any

from conversation_engine.domains.conversations.types import MessageRole, MessageStatus
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
    rows,
    shown,
    table,
    tables,
    text,
    title,
)
from conversation_engine.people.moves.types import Problem


def read(value: Mapping[str, Any], position: str) -> Found:
    """The conversation. Raises MalformedError."""
    key = text(value.get("conversationId"))
    if not key:
        raise MalformedError("It has no `conversationId`.")
    problems: list[Problem] = []
    messages: list[Read] = []
    for one, above, at in _flat(rows(value["messages"], "`messages`"), inside(position, "messages")):
        try:
            messages.append(_message(table(one, "The message"), above, at))
        except MalformedError as error:
            problems.append(Problem(position=at, sentence=error.sentence))
            if isinstance(one, dict):
                messages += silent(one.get("messageId"), one.get("parentMessageId", above), at)
    options: Mapping[str, Any] = value["options"] if isinstance(value.get("options"), dict) else {}
    times = [one.created_at for one in messages if one.created_at is not None]
    return Found(
        source="librechat",
        key=key,
        position=position,
        title=title(value.get("title")),
        messages=messages,
        created_at=moment(value.get("createdAt")) or min(times, default=None),
        updated_at=moment(value.get("updatedAt")) or max(times, default=None),
        system_prompt=text(options.get("promptPrefix")).strip() or None,
        metadata=notes(model=note(options.get("model")), endpoint=note(value.get("endpoint"))),
        problems=problems,
    )


def _flat(messages: list[Any], position: str) -> Iterator[tuple[Any, str | None, str]]:
    """Each message with what it follows and where it stands; without recursion, as talks are deep."""
    waiting: list[tuple[Any, str | None, str]] = []
    before: str | None = None
    for index, one in enumerate(messages):
        waiting.append((one, before, f"{position}[{index}]"))
        before = text(one.get("messageId")) or before if isinstance(one, dict) else before
    waiting.reverse()
    while waiting:
        one, above, at = waiting.pop()
        yield one, above, at
        if isinstance(one, dict) and isinstance(one.get("children"), list):
            own = text(one.get("messageId")) or above
            below = [(child, own, f"{at}.children[{index}]") for index, child in enumerate(one["children"])]
            waiting.extend(reversed(below))


def _message(one: Mapping[str, Any], above: str | None, position: str) -> Read:
    key = text(one.get("messageId"))
    if not key:
        raise MalformedError("It has no `messageId`.")
    is_user = one.get("isCreatedByUser")
    if not isinstance(is_user, bool):
        raise MalformedError("`isCreatedByUser` is neither true nor false.")
    parts = list(tables(one.get("content")))
    tools = [note(_call(part).get("name")) or "tool" for part in parts if part.get("type") == "tool_call"][:MOST_NOTES]
    attachments = files(one.get("files"), one.get("attachments"))
    said = text(one.get("text")) if text(one.get("text")).strip() else "\n\n".join(filter(None, map(_words, parts)))
    uses = [f"[Tool: {name}]" for name in tools]
    return Read(
        key=key,
        position=position,
        parent_key=parent(one["parentMessageId"]) if "parentMessageId" in one else above,
        role=MessageRole.USER if is_user else MessageRole.ASSISTANT,
        content=said if said.strip() else "\n".join(filter(None, [shown(attachments), *uses])),
        created_at=moment(one.get("createdAt")),
        status=MessageStatus.PARTIAL if one.get("unfinished") is True else MessageStatus.COMPLETE,
        metadata=notes(
            sender=note(one.get("sender")) if not is_user else None,
            model=note(one.get("model")),
            is_error=one.get("error") is True,
            tools=tools,
            attachments=attachments,
        ),
        attachments=len(attachments),
        is_tool=bool(tools),
    )


def _call(part: Mapping[str, Any]) -> Mapping[str, Any]:
    call = part.get("tool_call")
    return call if isinstance(call, dict) else {}


def _words(part: Mapping[str, Any]) -> str:
    if part.get("type") not in ("text", "error"):
        return ""
    said = part.get(str(part["type"]))
    return text(said.get("value")) if isinstance(said, dict) else text(said)
