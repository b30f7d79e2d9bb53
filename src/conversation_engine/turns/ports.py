"""What turns need from outside."""

from collections.abc import Sequence
from typing import Protocol

from conversation_engine.domains.conversations.types import Utterance


class QuestionResolver(Protocol):
    """Says a question so that it can be understood without what was said before."""

    def resolve(self, question: str, *, history: Sequence[Utterance]) -> str:
        """The question as it is to be looked up; `history` is newest first. Quick: it runs in the event loop."""
        ...
