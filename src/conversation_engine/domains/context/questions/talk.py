"""What was said before a question, cut into words once and read by everything that understands questions."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal, NamedTuple

from conversation_engine.domains.context.questions.meaning import Gist
from conversation_engine.domains.context.questions.words import Word, content_stems, words_of

QUESTIONS_READ: Final = 8
"""How many of the newest messages of people are compared with a question."""
REPLIES_READ: Final = 4
MESSAGES_READ: Final = 2 * max(QUESTIONS_READ, REPLIES_READ)
"""How many messages that takes, where people and the assistant take turns."""
QUESTION_CHARACTERS: Final = 600
REPLY_CHARACTERS: Final = 1200
"""What lies beyond is not read, so that a long talk takes no longer than a short one."""


class Said(NamedTuple):
    """A message, as far as it matters for understanding the next one."""

    sequence_number: int
    role: Literal["system", "user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question cut into words."""

    text: str
    words: Sequence[Word]
    stems: Sequence[str]
    """Of the words that say something."""

    @staticmethod
    def of(text: str) -> "Asked":
        """`text`, as far as it is read."""
        words = words_of(text[:QUESTION_CHARACTERS])
        return Asked(text=text, words=words, stems=content_stems(words))


@dataclass(frozen=True)
class Heard:
    """An earlier message cut into words."""

    said: Said
    words: Sequence[Word]

    @property
    def is_question(self) -> bool:
        """Whether a person said it."""
        return self.said.role == "user"

    @cached_property
    def stems(self) -> frozenset[str]:
        """Every stem in it."""
        return frozenset(word.stem for word in self.words)


class Talk:
    """The newest messages before a question, oldest first."""

    def __init__(self, heard: Sequence[Heard], *, gists: dict[tuple[str, ...], Gist] | None = None) -> None:
        self.heard = heard
        self.gists = {} if gists is None else gists
        """What texts mean, by their words: filled by who reads them, shared with the talks before this one."""
        self.leaning: dict[int, float] = {}
        """How likely `heard[index]` is a follow-up: filled by who looks."""
        self.questions = [one for one in heard if one.is_question]
        self.replies = [one for one in heard if not one.is_question]

    @staticmethod
    def of(said: Sequence[Said]) -> "Talk":
        """The newest of `said` (oldest first): as many questions and replies as are read, nothing that is empty."""
        left = {"user": QUESTIONS_READ, "assistant": REPLIES_READ}
        heard: list[Heard] = []
        for one in reversed(said):
            if not any(left.values()):
                break
            if left.get(one.role, 0) and one.text.strip():
                left[one.role] -= 1
                limit = QUESTION_CHARACTERS if one.role == "user" else REPLY_CHARACTERS
                heard.append(Heard(one, words_of(one.text[:limit])))
        return Talk(heard[::-1])

    def before(self, index: int) -> "Talk":
        """What was said before `heard[index]`."""
        return Talk(self.heard[:index], gists=self.gists)

    @cached_property
    def all_questions(self) -> frozenset[str]:
        """Every stem of people's messages."""
        return frozenset().union(*(one.stems for one in self.questions))

    @cached_property
    def everything(self) -> frozenset[str]:
        """Every stem of all messages."""
        return self.all_questions.union(*(one.stems for one in self.replies))

    @property
    def newest_question(self) -> frozenset[str]:
        """The stems of the newest message of a person."""
        return self.questions[-1].stems if self.questions else frozenset()

    @property
    def newest_reply(self) -> frozenset[str]:
        """The stems of the newest reply."""
        return self.replies[-1].stems if self.replies else frozenset()
