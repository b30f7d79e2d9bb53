"""Chat sessions as services kept them in Redis: a list of roles and words under a session id, until it expired.

The form of the first design of this product (`session_id`, `messages` of `role`, `content`, `timestamp`, `metadata`;
`context`, `created_at`, `last_updated`), and the names that others give the same things.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from conversation_engine.domains.conversations.types import Content, MessageRole
from conversation_engine.people.moves.importing.types import Found, Read
from conversation_engine.people.moves.importing.values import (
    MalformedError,
    inside,
    moment,
    note,
    role,
    rows,
    storable_json,
    table,
    text,
    title,
)
from conversation_engine.people.moves.types import Problem

MARK: Final = "session_id"
ROLES: Final = {known.value: known for known in MessageRole} | {
    "human": MessageRole.USER,
    "ai": MessageRole.ASSISTANT,
    "bot": MessageRole.ASSISTANT,
    "model": MessageRole.ASSISTANT,
}
_SAID: Final = ("content", "text", "message")
_WHO: Final = ("role", "type", "sender")
_WHEN: Final = ("timestamp", "created_at", "time", "ts")
_OWNERS: Final = ("user_id", "userId", "user", "owner_id")


def read(value: Mapping[str, Any], position: str) -> Found:
    """The conversation. Raises MalformedError."""
    key = text(value[MARK]).strip()
    if not key:
        raise MalformedError("It has no `session_id`.")
    seen: Counter[str] = Counter()
    problems: list[Problem] = []
    messages: list[Read] = []
    for index, one in enumerate(rows(value["messages"], "`messages`")):
        at = inside(position, f"messages[{index}]")
        try:
            messages.append(_message(table(one, "The message"), seen, at, messages[-1].key if messages else None))
        except MalformedError as error:
            problems.append(Problem(position=at, sentence=error.sentence))
    context = value.get("context")
    metadata = {"context": storable_json(context)} if isinstance(context, dict) and context else {}
    return Found(
        source="redis-session",
        key=key,
        position=position,
        title=title(value.get("title")),
        messages=messages,
        created_at=moment(value.get("created_at")),
        updated_at=moment(value.get("last_updated") or value.get("updated_at")),
        system_prompt=text(value.get("system_prompt")).strip() or None,
        metadata=metadata,
        problems=problems,
    )


def owner_of(value: Mapping[str, Any]) -> str | None:
    """Whose session it says it is; `None`: it does not say."""
    context = value.get("context")
    places = [value, *([context] if isinstance(context, dict) else [])]
    return next((found for place in places for name in _OWNERS if (found := note(_named(place.get(name))))), None)


def _named(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _message(one: Mapping[str, Any], seen: Counter[str], position: str, before: str | None) -> Read:
    whose = role(next((one[name] for name in _WHO if name in one), None), ROLES, "role")
    content = _content(next((one[name] for name in _SAID if name in one), None))
    when = next((one[name] for name in _WHEN if name in one), None)
    metadata = one.get("metadata")
    return Read(
        key=note(one.get("id")) or note(one.get("message_id")) or _key([whose, content, when], seen),
        position=position,
        parent_key=before,
        role=whose,
        content=content,
        created_at=moment(when),
        metadata=storable_json(metadata) if isinstance(metadata, dict) else {},
    )


def _content(value: object) -> Content:
    if isinstance(value, dict | list):  # replies were kept as the documents that they were
        found: Content = storable_json(value)
        return found
    return text(value)


def _key(said: list[Any], seen: Counter[str]) -> str:
    """Who said what when, and how often before: old messages may have been cut off the list's beginning."""
    digest = hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()[:24]
    seen[digest] += 1
    return f"{digest}#{seen[digest]}"
