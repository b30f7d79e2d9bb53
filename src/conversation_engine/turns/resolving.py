"""Questions as they are to be looked up."""

from collections.abc import Sequence

from conversation_engine.domains.context.questions.reader import QuestionReader
from conversation_engine.domains.context.questions.talk import MESSAGES_READ, Said
from conversation_engine.domains.conversations.documents import as_text
from conversation_engine.domains.conversations.types import Utterance


class StandaloneQuestions:
    """A `QuestionResolver` that gives a follow-up the words it leans on; without a model, some milliseconds."""

    def __init__(self, reader: QuestionReader) -> None:
        self._reader = reader

    def resolve(self, question: str, *, history: Sequence[Utterance]) -> str:
        return self._reader.understand(question, said_of(history)).standalone


def said_of(newest_first: Sequence[Utterance]) -> list[Said]:
    """What was said, oldest first, as far as it is looked at."""
    return everything_said(newest_first[:MESSAGES_READ])


def everything_said(newest_first: Sequence[Utterance]) -> list[Said]:
    """The same of all of them."""
    return [Said(one.sequence_number, one.role.value, as_text(one.content)) for one in reversed(newest_first)]
