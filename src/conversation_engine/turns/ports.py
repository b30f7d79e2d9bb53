"""What turns need from outside, and what they let others do."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from conversation_engine.domains.conversations.types import Utterance
from conversation_engine.kernel.ids import UserId
from conversation_engine.turns.run import TurnRun
from conversation_engine.turns.side_calls import SideCalls


class Keeper(Protocol):
    """Keeps something of a conversation that turns do not wait for."""

    async def consider(self, run: TurnRun) -> None:
        """A turn has ended and was told of: is there something to do? Never raises, and is quick."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Chores:
    """What is done beside turns."""

    keepers: Sequence[Keeper]
    calls: SideCalls
    title_for: Callable[[TurnRun], str | None]
    """A title to write with a turn's reply where nobody has named the conversation; `None`: none. Quick."""


class QuestionResolver(Protocol):
    """Says a question so that it can be understood without what was said before."""

    async def resolve(self, question: str, *, history: Sequence[Utterance], owner_id: UserId) -> str:
        """The question as it is to be looked up; `history` is newest first. Quick: the turn waits for it."""
        ...
