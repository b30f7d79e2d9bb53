"""A client of the HTTP API: conversations, messages, and turns as iterators that survive a broken connection.

Async; code that waits uses `Blocking`. It knows the kernel's words and httpx2, and nothing of the engine.
"""

from conversation_engine.client.blocking import Blocking
from conversation_engine.client.client import Client
from conversation_engine.client.connection import Patience
from conversation_engine.client.errors import (
    ApiError,
    BadAddressError,
    BrokenAnswerError,
    ClientError,
    ConflictError,
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    OverBudgetError,
    RateLimitedError,
    ServerError,
    TooLargeError,
    UnauthenticatedError,
    UnavailableError,
    UnreachableError,
    UpstreamError,
)
from conversation_engine.client.types import (
    Attempt,
    Conversation,
    Message,
    ReplyDelta,
    ToolCallBegun,
    ToolCallDelta,
    Turn,
    TurnEnded,
    TurnError,
    TurnEvent,
    TurnRestarted,
    TurnStarted,
    TurnSummary,
    Usage,
    Window,
    WindowMessage,
)
from conversation_engine.kernel.paging import Page

__all__ = [
    "ApiError",
    "Attempt",
    "BadAddressError",
    "Blocking",
    "BrokenAnswerError",
    "Client",
    "ClientError",
    "ConflictError",
    "Conversation",
    "ForbiddenError",
    "InvalidRequestError",
    "Message",
    "NotFoundError",
    "OverBudgetError",
    "Page",
    "Patience",
    "RateLimitedError",
    "ReplyDelta",
    "ServerError",
    "TooLargeError",
    "ToolCallBegun",
    "ToolCallDelta",
    "Turn",
    "TurnEnded",
    "TurnError",
    "TurnEvent",
    "TurnRestarted",
    "TurnStarted",
    "TurnSummary",
    "UnauthenticatedError",
    "UnavailableError",
    "UnreachableError",
    "UpstreamError",
    "Usage",
    "Window",
    "WindowMessage",
]
