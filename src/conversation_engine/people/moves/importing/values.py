"""What strangers' JSON may hold in place of what it should."""

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from conversation_engine.domains.conversations.types import MessageRole
from conversation_engine.kernel.text import storable

TITLE_CHARACTERS: Final = 500
NOTE_CHARACTERS: Final = 500
"""Of a name or a kind that is noted: metadata stay small."""
MOST_NOTES: Final = 50
NO_PARENTS: Final = frozenset({"00000000-0000-0000-0000-000000000000", "00000000-0000-4000-8000-000000000000", ""})
"""What stands for "follows nothing" in LibreChat's and Claude's files."""


class MalformedError(Exception):
    """Something is not what its form says. The sentence is for people."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


def table(value: object, what: str) -> Mapping[str, Any]:
    """`value`, if it is an object. Raises MalformedError."""
    if not isinstance(value, dict):
        raise MalformedError(f"{what} is no object.")
    return value


def rows(value: object, what: str) -> list[Any]:
    """`value`, if it is a list. Raises MalformedError."""
    if not isinstance(value, list):
        raise MalformedError(f"{what} is no list.")
    return value


def tables(value: object) -> Iterator[Mapping[str, Any]]:
    """The objects of a list; nothing where there is none."""
    yield from (one for one in value if isinstance(one, dict)) if isinstance(value, list) else ()


def role(value: object, roles: Mapping[str, MessageRole], what: str) -> MessageRole:
    """What `roles` calls it here. Raises MalformedError."""
    if not isinstance(value, str) or value not in roles:
        named = f" {text(value)[:50]!r}" if isinstance(value, str) else " of that kind"
        raise MalformedError(f"There is no {what}{named}.")
    return roles[value]


def text(value: object) -> str:
    """`value`, if it is text; what cannot be stored of it is replaced."""
    return storable(value) if isinstance(value, str) else ""


def storable_json(value: Any) -> Any:
    """The same document; what cannot be stored of its texts is replaced."""
    if isinstance(value, dict):
        return {text(key): storable_json(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [storable_json(inner) for inner in value]
    return storable(value) if isinstance(value, str) else value


def note(value: object) -> str | None:
    """A short text worth noting."""
    return text(value).strip()[:NOTE_CHARACTERS] or None


def title(value: object) -> str | None:
    """A title in the length that titles have here."""
    return text(value).strip()[:TITLE_CHARACTERS] or None


def moment(value: object) -> datetime | None:
    """An instant: seconds since 1970 or ISO 8601 (UTC, where it does not say)."""
    try:
        if isinstance(value, bool):
            return None
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value, UTC) if value > 0 and math.isfinite(value) else None
        if isinstance(value, str):
            at = datetime.fromisoformat(value.strip())
            return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return None


def parent(value: object) -> str | None:
    """The id of what a message follows."""
    return value if isinstance(value, str) and value not in NO_PARENTS else None


def inside(position: str, name: str) -> str:
    """Where something stands in what stands at `position`."""
    return f"{position}.{name}" if position else name


def notes(**values: object) -> dict[str, Any]:
    """Those that say something, as metadata tell them: under `imported`."""
    found = {name: value for name, value in values.items() if value not in (None, "", [], False)}
    return {"imported": found} if found else {}


def files(*lists: object) -> list[dict[str, Any]]:
    """Attachments as they are noted: name, kind and size, as far as the file tells."""
    return [_file(one) for one in (each for found in lists for each in tables(found))][:MOST_NOTES]


def shown(attachments: list[dict[str, Any]]) -> str:
    """What stands for attachments where nothing else was said."""
    return "\n".join(f"[Attachment: {one.get('name') or one.get('kind') or 'file'}]" for one in attachments)


def _file(one: Mapping[str, Any]) -> dict[str, Any]:
    names = ("name", "file_name", "filename", "asset_pointer", "file_id", "file_uuid", "id")
    kinds = ("mime_type", "mimeType", "file_type", "type", "content_type", "file_kind")
    sizes = ("size", "file_size", "size_bytes", "bytes")
    found = {
        "name": next((note(one.get(each)) for each in names if note(one.get(each))), None),
        "kind": next((note(one.get(each)) for each in kinds if note(one.get(each))), None),
        "bytes": next((one[each] for each in sizes if isinstance(one.get(each), int)), None),
    }
    return {name: value for name, value in found.items() if value is not None}
