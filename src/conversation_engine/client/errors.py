"""What a call can end with instead of an answer.

ClientError                     code, kind, a sentence that says what to do next
├── BadAddressError             that is no address of a server
├── UnreachableError            nobody answers, however often it is tried
├── BrokenAnswerError           what came is not an answer of this API
└── ApiError                    the server refused: its problem document (RFC 9457), by kind
    ├── InvalidRequestError     400, 422
    ├── UnauthenticatedError    401
    ├── OverBudgetError         402
    ├── ForbiddenError          403
    ├── NotFoundError           404
    ├── ConflictError           409
    ├── TooLargeError           413
    ├── RateLimitedError        429
    ├── ServerError             500
    ├── UpstreamError           502
    └── UnavailableError        503
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from conversation_engine.kernel.errors import Kind


class ClientError(Exception):
    """Root of what this client raises. `detail` is a sentence for a person, `code` a word for a program.

    `facts` are about the case: of a refusal, the problem document's other members.
    """

    kind: ClassVar[Kind] = Kind.INTERNAL

    def __init__(self, detail: str, *, code: str, facts: Mapping[str, Any] | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code
        self.facts = dict(facts or {})


class BadAddressError(ClientError):
    """Not the address of a server."""

    kind = Kind.INVALID

    def __init__(self, url: str) -> None:
        super().__init__(f"{url!r} is no address. Write one such as http://127.0.0.1:8000.", code="bad_address")


class UnreachableError(ClientError):
    """Nobody answers. What was sent may have taken effect: sent again with the same key it does nothing twice."""

    kind = Kind.UNAVAILABLE

    def __init__(self, url: str) -> None:
        super().__init__(
            f"The server at {url} does not answer. What it has stored is not lost; try again in a moment.",
            code="unreachable",
        )


class BrokenAnswerError(ClientError):
    """Something that is not this API answered, or something on the way changed it."""

    kind = Kind.UPSTREAM

    def __init__(self, status: int) -> None:
        super().__init__(
            f"What answers there (status {status}) does not speak the language of Conversation Engine. "
            "Check the address and what stands in between.",
            code="broken_answer",
        )
        self.status = status


class ApiError(ClientError):
    """The server refused: `facts` are ids, limits, `errors`."""

    def __init__(self, detail: str, *, code: str, status: int, facts: Mapping[str, Any]) -> None:
        super().__init__(detail, code=code, facts=facts)
        self.status = status


class InvalidRequestError(ApiError):
    """The request makes no sense."""

    kind = Kind.INVALID


class UnauthenticatedError(ApiError):
    """The token is missing, wrong or old."""

    kind = Kind.UNAUTHENTICATED


class OverBudgetError(ApiError):
    """A budget is used up."""

    kind = Kind.OVER_BUDGET


class ForbiddenError(ApiError):
    """It is somebody else's, or for other roles."""

    kind = Kind.FORBIDDEN


class NotFoundError(ApiError):
    """There is no such thing."""

    kind = Kind.NOT_FOUND


class ConflictError(ApiError):
    """It cannot be done as things are now: another turn runs, the conversation has ended, …"""

    kind = Kind.CONFLICT


class TooLargeError(ApiError):
    """It is more than is taken."""

    kind = Kind.TOO_LARGE


class RateLimitedError(ApiError):
    """More was asked than is allowed at a time, and the wait is longer than this client's patience."""

    kind = Kind.RATE_LIMITED

    @property
    def retry_after_seconds(self) -> float | None:
        """When to ask again."""
        seconds = self.facts.get("retry_after")
        return float(seconds) if isinstance(seconds, int | float) else None


class ServerError(ApiError):
    """Something broke in the server."""

    kind = Kind.INTERNAL


class UpstreamError(ApiError):
    """A service that the server needs refused it."""

    kind = Kind.UPSTREAM


class UnavailableError(ApiError):
    """The server cannot do it at the moment."""

    kind = Kind.UNAVAILABLE


BY_STATUS: Final[Mapping[int, type[ApiError]]] = {
    400: InvalidRequestError,
    401: UnauthenticatedError,
    402: OverBudgetError,
    403: ForbiddenError,
    404: NotFoundError,
    405: InvalidRequestError,
    409: ConflictError,
    413: TooLargeError,
    415: InvalidRequestError,
    422: InvalidRequestError,
    429: RateLimitedError,
    500: ServerError,
    502: UpstreamError,
    503: UnavailableError,
}

_STANDARD: Final = frozenset({"type", "title", "status", "detail", "code"})


def refusal_of(problem: Any, *, status: int) -> ClientError:
    """The error that a problem document stands for."""
    if not isinstance(problem, dict) or not isinstance(problem.get("code"), str):
        return BrokenAnswerError(status)
    error = BY_STATUS.get(status, ServerError if status >= 500 else InvalidRequestError)
    facts = {name: value for name, value in problem.items() if name not in _STANDARD}
    return error(str(problem.get("detail", "")), code=problem["code"], status=status, facts=facts)
