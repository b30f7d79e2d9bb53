"""Questions as they are to be looked up."""

from collections.abc import Sequence

from conversation_engine.domains.context.questions.reader import QuestionReader
from conversation_engine.domains.context.questions.talk import MESSAGES_READ, Said
from conversation_engine.domains.conversations.documents import as_text
from conversation_engine.domains.conversations.types import Utterance
from conversation_engine.kernel.ids import UserId
from conversation_engine.turns.sensing import QuestionSenses


class StandaloneQuestions:
    """A `QuestionResolver` that gives a follow-up the words it leans on; without a model call, some milliseconds."""

    def __init__(self, reader: QuestionReader, senses: QuestionSenses) -> None:
        self._reader = reader
        self._senses = senses

    async def resolve(self, question: str, *, history: Sequence[Utterance], owner_id: UserId) -> str:
        said = said_of(history)
        sense = await self._senses(question, said, owner_id=owner_id)
        return self._reader.understand(question, said, sense=sense).standalone


def said_of(newest_first: Sequence[Utterance]) -> list[Said]:
    """What was said, oldest first, as far as it is looked at."""
    return everything_said(newest_first[:MESSAGES_READ])


def everything_said(newest_first: Sequence[Utterance]) -> list[Said]:
    """The same of all of them."""
    return [Said(one.sequence_number, one.role.value, as_text(one.content)) for one in reversed(newest_first)]
