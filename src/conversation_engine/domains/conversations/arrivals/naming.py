"""Ids that tell themselves: the same thing from the same place has the same id, so that it arrives once."""

import hashlib
from datetime import datetime
from typing import Final
from uuid import UUID

LATEST_MILLISECONDS: Final = 2**48 - 1


def id_of(*names: str, at: datetime | None) -> str:
    """A UUIDv7 of that time (lists go by ids, which grow with time) whose random part is a digest of `names`."""
    digest = hashlib.sha256("\0".join(f"{len(name)}:{name}" for name in names).encode(errors="replace")).digest()
    milliseconds = 0 if at is None else min(max(0, int(at.timestamp() * 1000)), LATEST_MILLISECONDS)
    value = milliseconds << 80 | int.from_bytes(digest[:10])
    value = value & ~(0xF << 76) | 7 << 76
    return str(UUID(int=value & ~(0x3 << 62) | 2 << 62))


def canonical(value: str | None) -> str | None:
    """`value` as a canonical UUID; `None` if it is none."""
    try:
        return str(UUID(value)) if value else None
    except (ValueError, AttributeError, TypeError):
        return None
