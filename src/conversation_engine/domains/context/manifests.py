"""A manifest as it is stored: without the parts that are not there, and without the reasons that most have.

In every turn's row it would say the same sentences, a third of the row.
"""

from collections.abc import Mapping
from typing import Any, Final

BLOCK_DROPPED: Final = "the newest that fit; old ones are left out a block at a time"
OLDER: Final = "older than what is sent"
REASONS: Final[Mapping[str, str]] = {
    "system": "always sent",
    "pinned": "pinned, and older than the messages sent",
    "summary": "stands for what was left out",
    "sent": BLOCK_DROPPED,
    "recalled": "older, and to do with the question",
    "dropped": OLDER,
}
"""The usual reason of each part: what a part without one means."""


def packed(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """As it is stored."""
    return {name: _without_usual(name, part) for name, part in manifest.items() if part is not None}


def unpacked(stored: Mapping[str, Any]) -> dict[str, Any]:
    """As it was: every part of a window, `None` where it had none."""
    return {**dict.fromkeys(REASONS), **{name: _with_usual(name, part) for name, part in stored.items()}}


def _without_usual(name: str, part: Any) -> Any:
    if name not in REASONS or part.get("reason") != REASONS[name]:
        return part
    return {key: value for key, value in part.items() if key != "reason"}


def _with_usual(name: str, part: Any) -> Any:
    return {**part, "reason": REASONS[name]} if part and name in REASONS and "reason" not in part else part
