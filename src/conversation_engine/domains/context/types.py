"""The words of windows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

WindowRole = Literal["system", "user", "assistant"]


class Candidate(NamedTuple):
    """A stored message that may be shown. A tuple: hundreds are made for one turn."""

    sequence_number: int
    role: WindowRole
    text: str
    tokens: int
    """In the model's own vocabulary, without the chat template's share."""


class WindowMessage(NamedTuple):
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
