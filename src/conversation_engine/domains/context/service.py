"""What is kept of what no longer fits."""

from collections.abc import Sequence
from typing import Final

from conversation_engine.domains.context.repo import SummaryRepo
from conversation_engine.domains.context.types import Summary
from conversation_engine.infra.db.database import Tx
from conversation_engine.kernel.ids import ConversationId

NEWEST_SUMMARIES: Final = 4
"""A window uses the newest, or the one before while a newer one is kept ready; the others are of other branches."""


class SummaryService:
    """The door to summaries. Every method joins the caller's transaction, who has checked the owner."""

    def __init__(self) -> None:
        self._repo = SummaryRepo()

    def newest(self, tx: Tx, conversation_id: ConversationId) -> Sequence[Summary]:
        """The newest few, oldest first, those that came to nothing included. One statement."""
        return self._repo.list_newest(tx, conversation_id, count=NEWEST_SUMMARIES)[::-1]

    def add(self, tx: Tx, summary: Summary) -> None:
        """Keep one. Raises ConstraintViolation where its last message has one, or is deleted."""
        self._repo.insert(tx, summary)

    def forget(self, tx: Tx, conversation_id: ConversationId, number: int) -> int:
        """Remove those that the message of this sequence number is part of; up to where the others reach.

        Two statements.
        """
        self._repo.delete_covering(tx, conversation_id, number)
        return self._repo.newest_covered(tx, conversation_id)
