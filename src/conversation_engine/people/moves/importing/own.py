"""Our own form: see `schemas.ConversationFile`."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from conversation_engine.people.moves.importing.tree import silent
from conversation_engine.people.moves.importing.types import Found, Read
from conversation_engine.people.moves.importing.values import MalformedError, inside, rows
from conversation_engine.people.moves.schemas import ConversationEntry, MessageEntry
from conversation_engine.people.moves.types import CALL_ELSEWHERE, Problem


def read(value: Mapping[str, Any], position: str) -> Found:
    """The conversation. Raises MalformedError."""
    problems: list[Problem] = []
    messages: list[Read] = []
    for index, one in enumerate(rows(value["messages"], "`messages`")):
        at = inside(position, f"messages[{index}]")
        try:
            messages.append(_message(MessageEntry.model_validate(one), at))
        except (ValidationError, RecursionError) as error:
            problems.append(Problem(position=at, sentence=_fault(error)))
            if isinstance(one, dict):
                messages += silent(one.get("id"), one.get("parent_id"), at)
    try:
        entry = ConversationEntry.model_validate({**value, "messages": [], "other_model_calls": []})
    except (ValidationError, RecursionError) as error:
        raise MalformedError(_fault(error)) from error
    return Found(
        source="conversation-engine",
        key=entry.id,
        position=position,
        title=entry.title,
        messages=messages,
        leaf_key=entry.active_leaf_id,
        created_at=entry.created_at,
        updated_at=entry.updated_at,
        system_prompt=entry.system_prompt,
        status=entry.status,
        metadata=entry.metadata,
        own=entry,
        problems=problems,
    )


def _message(entry: MessageEntry, position: str) -> Read:
    metadata = dict(entry.metadata)
    if entry.model_call is not None:
        metadata[CALL_ELSEWHERE] = entry.model_call.model_dump(mode="json")
    return Read(
        key=entry.id,
        position=position,
        parent_key=entry.parent_id,
        role=entry.role,
        content=entry.content,
        created_at=entry.created_at,
        status=entry.status,
        metadata=metadata,
        token_count=entry.token_count,
        cost=entry.cost,
        is_pinned=entry.is_pinned,
        sequence_number=entry.sequence_number,
        call_id=entry.model_call.id if entry.model_call else None,
    )


def _fault(error: ValidationError | RecursionError) -> str:
    if isinstance(error, RecursionError):  # pydantic words what it was given
        return "It is nested too deeply."
    first = error.errors(include_url=False, include_input=False)[0]
    return f"`{'.'.join(map(str, first['loc']))}`: {first['msg']}."
