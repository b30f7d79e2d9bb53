"""The words of windows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

WindowRole = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A stored message that may be shown."""

    sequence_number: int
    role: WindowRole
    text: str
    tokens: int
    """In the model's own vocabulary, without the chat template's share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowMessage:
    """A message as it will be shown."""

    role: WindowRole
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What a model is shown, in order, and the account of it."""

    messages: Sequence[WindowMessage]
    input_tokens: int
    """Our count of the whole prompt, the chat template's share included."""
    manifest: dict[str, Any]
    """JSON: strategy, budget, parts with their tokens and reasons; stored with the turn."""
