"""The words of moving conversations."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
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
    """A message, the model call that made it, and what is thought of it."""

    message: Message
    call: RecordedCall | None = None
    opinions: Sequence[Feedback] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """A conversation as a writer gets it: what there may be much of is read while it is written."""

    conversation: Conversation
    last_answer: int
    """Sequence number of the last whole reply on the active path; 0: there is none."""
    messages: Callable[[], AsyncIterator[Said]]
    """Of every branch, by sequence number; without the opinions."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something in a file that could not be taken as it is."""

    position: str
    """Where: `[3].mapping[…]`, `conversations[7]`; empty: the file as a whole."""
    sentence: str
    is_lost: bool = True
    """Whether it was left out; else it was repaired."""


@dataclass(slots=True, kw_only=True)
class Report:
    """What came of a file; it grows while the file is read."""

    conversations_added: int = 0
    conversations_extended: int = 0
    """They were there, and something was said in them since."""
    conversations_known: int = 0
    """They were there as they are."""
    messages_added: int = 0
    attachments: int = 0
    """Noted with their messages; the files themselves are not in exports."""
    tool_messages: int = 0
    opinions_added: int = 0
    problem_count: int = 0
    lost_count: int = 0
    """Problems that kept something out."""
    problems: list[Problem] = field(default_factory=list)
    """The first of them."""
