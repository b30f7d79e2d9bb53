"""How people choose what a model is shown: the same words for settings, conversations and single requests."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any

from conversation_engine.kernel.errors import InvalidInputError


class WindowStrategy(StrEnum):
    """Which messages of a long conversation the model is shown."""

    AUTO = "auto"
    """`token_budget`, with `summarize` where summaries are made and `recall` once something was left out."""
    LAST_MESSAGES = "last_messages"
    """A fixed number of the newest messages."""
    TOKEN_BUDGET = "token_budget"  # noqa: S105 - no password
    """The newest that fit; when they do not, old ones are left out a block at a time."""
    SUMMARIZE = "summarize"
    """The same, and a summary of what was left out."""
    RECALL = "recall"
    """The same, and older messages that have to do with the question."""


class TooLongPolicy(StrEnum):
    """What becomes of a message that is longer than the model can read."""

    ERROR = "error"
    CUT = "cut"
    """Its beginning and its end are shown; the stored message stays whole."""


class RecallScope(StrEnum):
    """Where older messages are looked for."""

    CONVERSATION = "conversation"
    USER = "user"
    """In all conversations of the same owner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowOptions:
    """What somebody chose; `None` leaves it to whoever is asked next: request, conversation, settings."""

    strategy: WindowStrategy | None = None
    last_messages: int | None = None
    """How many `last_messages` shows, the newest included."""
    budget_tokens: int | None = None
    """Most tokens of a prompt; never more than the model can read."""
    too_long: TooLongPolicy | None = None
    recall_scope: RecallScope | None = None

    def over(self, base: "WindowOptions") -> "WindowOptions":
        """These, and where nothing was chosen those of `base`."""
        if self is NO_OPTIONS:
            return base
        return WindowOptions(**{**base._chosen(), **self._chosen()})

    def as_json(self) -> dict[str, Any] | None:
        """Only what was chosen; `None` for nothing."""
        return None if self is NO_OPTIONS else self._chosen() or None

    @classmethod
    def from_json(cls, chosen: Mapping[str, Any] | None) -> "WindowOptions":
        """What `as_json` gave, or what people wrote. Raises InvalidInputError."""
        if not chosen:
            return NO_OPTIONS
        if unknown := sorted(set(chosen) - {field.name for field in fields(cls)}):
            raise InvalidInputError(f"There is no window option {', '.join(unknown)[:200]}.", field="window")
        kinds: dict[str, type[StrEnum]] = {
            "strategy": WindowStrategy,
            "too_long": TooLongPolicy,
            "recall_scope": RecallScope,
        }
        try:
            values: dict[str, Any] = {
                name: kinds[name](value) if name in kinds and value else value for name, value in chosen.items()
            }
        except ValueError as error:
            raise InvalidInputError(f"A window option has no such value: {error}.", field="window") from error
        for name in ("last_messages", "budget_tokens"):
            value = values.get(name)
            if value is not None and not (isinstance(value, int) and value >= 1):
                raise InvalidInputError(f"The window option {name} must be a number of 1 or more.", field="window")
        return cls(**values)

    def _chosen(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value is not None}


NO_OPTIONS = WindowOptions()
"""Nothing was chosen."""
