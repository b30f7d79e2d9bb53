"""What one can do with feedback. Whether a conversation may be judged and read is decided by who calls."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from conversation_engine.domains.feedback.errors import EmptyFeedbackError
from conversation_engine.domains.feedback.repo import FeedbackRepo
from conversation_engine.domains.feedback.types import Feedback, FeedbackFilter, Opinion, Place
from conversation_engine.infra.db.database import Database, Tx
from conversation_engine.infra.ids import new_id
from conversation_engine.kernel.clock import Clock
from conversation_engine.kernel.errors import InvalidInputError
from conversation_engine.kernel.ids import ConversationId, MessageId, UserId
from conversation_engine.kernel.paging import Cursor, Page, make_page
from conversation_engine.kernel.text import checked_text

TEXT_LIMIT_CHARACTERS = 5_000
TAG_LIMIT_CHARACTERS = 50
MOST_TAGS = 20


class FeedbackService:
    """The door to feedback."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._repo = FeedbackRepo()

    def put(self, tx: Tx, place: Place, author_id: UserId, opinion: Opinion) -> Feedback:
        """Say what the author thinks, in place of what they said of it before. Up to three statements.

        Raises EmptyFeedbackError, InvalidInputError; ConstraintViolation when the same author does so at once.
        """
        checked, now = checked_opinion(opinion), self._clock.now()
        if not self._repo.update(tx, place, author_id, checked, at=now):
            feedback = Feedback(
                id=new_id(), author_id=author_id, place=place, opinion=checked, created_at=now, updated_at=now
            )
            self._repo.insert(tx, feedback)
        found = self._repo.find(tx, place, author_id)
        if found is None:
            raise AssertionError("it was just written")
        return found

    def restore(
        self, tx: Tx, place: Place, author_id: UserId, opinion: Opinion, *, times: tuple[datetime, datetime]
    ) -> bool:
        """Write what was said elsewhere, and when, and changed; unless the author has said something of it here.

        Raises EmptyFeedbackError, InvalidInputError.
        """
        checked = checked_opinion(opinion)
        if self._repo.find(tx, place, author_id) is not None:
            return False
        feedback = Feedback(
            id=new_id(), author_id=author_id, place=place, opinion=checked, created_at=times[0], updated_at=times[1]
        )
        self._repo.insert(tx, feedback)
        return True

    def take_back(self, tx: Tx, place: Place, author_id: UserId) -> None:
        """Forget what the author said of it. Idempotent."""
        self._repo.delete(tx, place, author_id)

    async def list_of(self, wanted: FeedbackFilter, *, cursor: str | None = None, limit: int = 50) -> Page[Feedback]:
        """Feedback, newest first."""
        at = None if cursor is None else Cursor.decode(cursor, types=(UUID,))
        rows = await self._database.read(lambda tx: self._repo.list_of(tx, wanted, cursor=at, count=limit + 1))
        return make_page(rows, limit=limit, cursor=at, key_of=lambda row: (row.id,))

    def on(
        self, tx: Tx, conversation_id: ConversationId, message_ids: Collection[MessageId]
    ) -> Mapping[MessageId, Sequence[Feedback]]:
        """What everybody thinks of each of these messages, as far as somebody does. One statement."""
        found: dict[MessageId, list[Feedback]] = {}
        for one in self._repo.list_on(tx, conversation_id, message_ids):
            if one.place.message_id is not None:
                found.setdefault(one.place.message_id, []).append(one)
        return found


def checked_opinion(opinion: Opinion) -> Opinion:
    """`opinion` without blank ends and tags. Raises EmptyFeedbackError, InvalidInputError or InvalidTextError."""
    tags = tuple(dict.fromkeys(tag.strip() for tag in opinion.tags if tag.strip()))
    if len(tags) > MOST_TAGS:
        raise InvalidInputError(f"There are {len(tags)} tags; at most {MOST_TAGS} are taken.", field="tags")
    for tag in tags:
        checked_text(tag, name="tag", limit_characters=TAG_LIMIT_CHARACTERS)
    if opinion.rating is not None and not 1 <= opinion.rating <= 5:
        raise InvalidInputError(f"The rating is {opinion.rating}; it must be between 1 and 5.", field="rating")
    checked = replace(
        opinion, tags=tags, helped=_text(opinion.helped, "helped"), hindered=_text(opinion.hindered, "hindered")
    )
    if checked == Opinion():
        raise EmptyFeedbackError
    return checked


def _text(text: str, name: str) -> str:
    return checked_text(text.strip(), name=name, limit_characters=TEXT_LIMIT_CHARACTERS, blank_allowed=True)
