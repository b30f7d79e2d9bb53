"""The words of records."""

from dataclasses import dataclass
from typing import Any

from conversation_engine.kernel.ids import UserId

Rows = dict[str, list[dict[str, Any]]]
"""Rows by table: column names and values, secrets left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What erasing somebody came to."""

    user_id: UserId
    rows: dict[str, int]
    """Removed, or made nobody's, by table."""
