"""Everything that can go wrong, in our words.

EngineError                      code, kind, a sentence that says what to do next, and facts about the case
├── InvalidInputError            invalid: the caller's bytes make no sense (text, ids, cursors, bodies)
├── …                            each package's `errors.py` adds one class per reason, never a new kind
└── InternalError                internal: our fault; the sentence never carries an exception's text

The kind decides how a door answers: HTTP status, exit code, stream event (one table each, tested complete).
"""

from enum import StrEnum
from typing import ClassVar


class Kind(StrEnum):
    """How a failure is to be treated by whoever called."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    TOO_LARGE = "too_large"
    RATE_LIMITED = "rate_limited"
    OVER_BUDGET = "over_budget"
    UPSTREAM = "upstream"
    UNAVAILABLE = "unavailable"
    CANCELLED = "cancelled"
    INTERNAL = "internal"


class EngineError(Exception):
    """Root of every error that the engine raises on purpose.

    `detail` is written for a person and says what to do next; `facts` are JSON-ready values about this case
    (ids, limits, seconds to wait) that a program can act on. Neither ever holds a vendor's or a driver's text.
    """

    code: ClassVar[str] = "internal_error"
    kind: Kind = Kind.INTERNAL
    """Of the class; only what repeats somebody else's refusal has one of its own."""

    def __init__(self, detail: str, **facts: object) -> None:
        super().__init__(detail)
        self.detail = detail
        self.facts = facts


class InternalError(EngineError):
    """Something broke on our side; the log has the cause under the same request id."""

    code = "internal_error"
    kind = Kind.INTERNAL

    def __init__(self) -> None:
        super().__init__("Something went wrong on our side. Please try again; if it happens again, tell the operator.")


class InvalidInputError(EngineError):
    """The input cannot be understood or is outside its limits."""

    code = "invalid_input"
    kind = Kind.INVALID


class InvalidIdError(InvalidInputError):
    """An id is not a UUID."""

    code = "invalid_id"

    def __init__(self) -> None:
        super().__init__("That is not an id of ours: ids are UUIDs, such as 01890a5d-ac96-774b-bcce-b302099a8057.")


class InvalidTextError(InvalidInputError):
    """A text is blank, too long, or holds characters that cannot be stored."""

    code = "invalid_text"


class InvalidCursorError(InvalidInputError):
    """A page cursor was not made by us."""

    code = "invalid_cursor"

    def __init__(self) -> None:
        super().__init__("That cursor is not one of ours. Use `next` or `previous` of an earlier page unchanged.")
