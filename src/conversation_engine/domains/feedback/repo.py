"""Every query about feedback."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select, update

from conversation_engine.domains.feedback.models import FeedbackModel
from conversation_engine.domains.feedback.types import Feedback, FeedbackFilter, Opinion, Place, Verdict
from conversation_engine.infra.db.database import Tx
from conversation_engine.kernel.ids import ConversationId, MessageId, UserId
from conversation_engine.kernel.paging import Cursor

_feedback = FeedbackModel.__table__


class FeedbackRepo:
    """Rows of `feedback`."""

    def update(self, tx: Tx, place: Place, author_id: UserId, opinion: Opinion, *, at: datetime) -> bool:
        """Say it otherwise; false when the author has said nothing there yet."""
        changed = update(_feedback).where(*_of(place, author_id)).values(**_values(opinion), updated_at=at)
        return tx.execute(changed).rowcount == 1

    def insert(self, tx: Tx, feedback: Feedback) -> None:
        """Write it. Raises ConstraintViolation when the author did so meanwhile."""
        place = feedback.place
        row = {
            "id": feedback.id,
            "author_id": feedback.author_id,
            "owner_id": place.owner_id,
            "supervisor_id": place.supervisor_id,
            "conversation_id": place.conversation_id,
            "message_id": place.message_id,
            "created_at": feedback.created_at,
            "updated_at": feedback.updated_at,
        }
        tx.execute(insert(_feedback), row | _values(feedback.opinion))

    def find(self, tx: Tx, place: Place, author_id: UserId) -> Feedback | None:
        """What the author thinks of it."""
        row = tx.execute(select(*_feedback.c).where(*_of(place, author_id))).first()
        return None if row is None else _feedback_of(row)

    def delete(self, tx: Tx, place: Place, author_id: UserId) -> None:
        """Take it back."""
        tx.execute(delete(_feedback).where(*_of(place, author_id)))

    def list_of(self, tx: Tx, wanted: FeedbackFilter, *, cursor: Cursor | None, count: int) -> Sequence[Feedback]:
        """Newest first (ids grow with time), from `cursor` in its direction."""
        query = select(*_feedback.c)
        if wanted.supervisor_id is not None:
            query = query.where(_feedback.c.supervisor_id == wanted.supervisor_id)
        if wanted.conversation_id is not None:
            query = query.where(_feedback.c.conversation_id == wanted.conversation_id)
        is_backward = cursor is not None and cursor.is_backward
        if cursor is not None:
            [at] = cursor.key
            query = query.where(_feedback.c.id > at if is_backward else _feedback.c.id < at)
        query = query.order_by(_feedback.c.id if is_backward else _feedback.c.id.desc()).limit(count)
        return [_feedback_of(row) for row in tx.execute(query)]

    def list_on(
        self, tx: Tx, conversation_id: ConversationId, message_ids: Collection[MessageId]
    ) -> Sequence[Feedback]:
        """What everybody thinks of these messages, oldest first."""
        here = (_feedback.c.conversation_id == conversation_id, _feedback.c.message_id.in_(message_ids))
        query = select(*_feedback.c).where(*here).order_by(_feedback.c.id)
        return [_feedback_of(row) for row in tx.execute(query)]


def _of(place: Place, author_id: UserId) -> tuple[Any, ...]:
    return (
        _feedback.c.conversation_id == place.conversation_id,
        _feedback.c.message_id == place.message_id,  # IS NULL where that is None
        _feedback.c.author_id == author_id,
    )


def _values(opinion: Opinion) -> dict[str, Any]:
    return {
        "verdict": opinion.verdict.value if opinion.verdict else None,
        "rating": opinion.rating,
        "helped": opinion.helped,
        "hindered": opinion.hindered,
        "tags": list(opinion.tags),
    }


def _feedback_of(row: Row[Any]) -> Feedback:
    return Feedback(
        id=row.id,
        author_id=row.author_id,
        place=Place(
            conversation_id=row.conversation_id,
            message_id=row.message_id,
            owner_id=row.owner_id,
            supervisor_id=row.supervisor_id,
        ),
        opinion=Opinion(
            verdict=Verdict(row.verdict) if row.verdict else None,
            rating=row.rating,
            helped=row.helped,
            hindered=row.hindered,
            tags=tuple(row.tags),
        ),
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
