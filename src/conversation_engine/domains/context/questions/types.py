"""The words of understanding."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from conversation_engine.domains.context.questions.talk import Said

DecidedBy = Literal["rules", "model"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUp:
    """Whether a question leans on what was said before it."""

    is_follow_up: bool
    confidence: float
    """How sure that is, from 0.5 (as good as a guess) to 1."""
    leans_on: int | None
    """Sequence number of the earlier message that it leans on most; `None` where it leans on none."""
    previous_topic: str | None
    """What the talk was about before the question; `None` where nothing was said."""
    context: Sequence[Said]
    """The messages that were looked at, oldest first."""
    decided_by: DecidedBy = "rules"


@dataclass(frozen=True, slots=True, kw_only=True)
class Understanding:
    """What a question means in its conversation."""

    query: str
    """In the person's own words."""
    standalone: str
    """The same as a question that can be understood by itself."""
    follow_up: FollowUp
    intent: str | None
    """One of the configured labels; `None` where none fits."""
