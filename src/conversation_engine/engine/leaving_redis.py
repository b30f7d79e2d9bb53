"""`convo migrate redis-sessions`: sessions that expire elsewhere become conversations that stay."""

import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from conversation_engine.infra.valkey.keyspace import Kept
from conversation_engine.kernel.ids import USER_ID_LIMIT_CHARACTERS, UserId
from conversation_engine.kernel.text import checked_text
from conversation_engine.people.moves.importing.service import ImportService
from conversation_engine.people.moves.importing.sessions import MARK, owner_of
from conversation_engine.people.moves.importing.types import Entry
from conversation_engine.people.moves.types import Report


@dataclass(slots=True, kw_only=True)
class SessionsReport:
    """What came of the keys."""

    keys: int = 0
    owners: set[UserId] = field(default_factory=set)
    conversations: Report = field(default_factory=Report)


async def take_sessions(
    kept: AsyncIterator[Kept], imports: ImportService, *, default_owner: UserId, is_tried_only: bool
) -> SessionsReport:
    """Bring in every session, each once: repeated, it adds what was said since. One session is in memory at a time."""
    report = SessionsReport()
    async for one in kept:
        report.keys += 1
        value = session_of(one)
        said = owner_of(value) if isinstance(value, dict) else None
        owner = default_owner if said is None else UserId(said[:USER_ID_LIMIT_CHARACTERS])
        entry = Entry(position=one.key, value=value)
        added = report.conversations.conversations_added
        await imports.take(owner, entry, report.conversations, is_tried_only=is_tried_only)
        if report.conversations.conversations_added > added:
            report.owners.add(owner)
    return report


def checked_owner(name: str) -> UserId:
    """Raises InvalidTextError."""
    return UserId(checked_text(name, name="user", limit_characters=USER_ID_LIMIT_CHARACTERS))


def session_of(kept: Kept) -> object:
    """The session of a key, in the one form that is read: whichever of the three ways it was stored in."""
    value: Any = kept.value
    if isinstance(value, str):
        value = _parsed(value)
        if isinstance(value, list):
            value = {"messages": value}
    elif isinstance(value, list):
        value = {"messages": [_parsed(one) for one in value]}
    elif isinstance(value, dict):
        value = {name: _parsed(text) for name, text in value.items()}
    if not isinstance(value, dict):
        return value
    value.setdefault("messages", value.pop("history", None))
    session = value.get(MARK) or value.get("id") or kept.key.rpartition(":")[2]
    return {**value, MARK: str(session)}


def _parsed(text: str) -> object:
    """As JSON, if it is a document; texts and numbers stay what they look like."""
    if text[:1] in ("{", "["):
        with suppress(ValueError, RecursionError):
            return json.loads(text)
    return text
