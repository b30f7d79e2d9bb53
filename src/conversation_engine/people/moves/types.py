"""The words of moving conversations."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final

from conversation_engine.domains.conversations.types import Conversation, Message
from conversation_engine.domains.feedback.types import Feedback
from conversation_engine.insights.calls.types import RecordedCall

FORMAT: Final = "conversation-engine"
VERSION: Final = 1
"""Of the JSON form; a field may be added to it, nothing changes its meaning."""
CALL_ELSEWHERE: Final = "imported_model_call"
"""In the metadata of a message that was brought in: the model call that made it, in somebody's books already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A message, and the model call that made it."""

    message: Message
    call: RecordedCall | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """A conversation as a writer gets it: what there may be much of is read while it is written."""

    conversation: Conversation
    last_answer: int
    """Sequence number of the last whole reply on the active path; 0: there is none."""
    messages: Callable[[], AsyncIterator[Said]]
    """Of every branch, by sequence number."""
    path: Callable[[], AsyncIterator[Said]]
    """The active path; without the calls."""
    other_calls: Callable[[], AsyncIterator[RecordedCall]]
    """Model calls that made no message: failed ones, titles, summaries."""
    feedback: Callable[[], AsyncIterator[Feedback]]
    """Newest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """A file that is written while it is sent."""

    name: str
    media_type: str
    pieces: AsyncIterator[bytes]
