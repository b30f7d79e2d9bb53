"""Every query of summaries."""

from collections.abc import Sequence

from sqlalchemy import Row, delete, func, insert, select

from conversation_engine.domains.context.models import SummaryModel
from conversation_engine.domains.context.types import Summary
from conversation_engine.infra.db.database import Tx
from conversation_engine.kernel.ids import ConversationId

_summaries = SummaryModel.__table__


class SummaryRepo:
    """Rows of `summaries`."""

    def insert(self, tx: Tx, summary: Summary) -> None:
        """Write one. Raises ConstraintViolation where there is one for the same message, or the message is gone."""
        values = {column.key: getattr(summary, column.key) for column in _summaries.c}
        tx.execute(insert(_summaries), values)

    def list_newest(self, tx: Tx, conversation_id: ConversationId, *, count: int) -> Sequence[Summary]:
        """The newest of a conversation, on whichever branch, newest first."""
        query = select(*_summaries.c).where(_summaries.c.conversation_id == conversation_id)
        rows = tx.execute(query.order_by(_summaries.c.last_sequence.desc()).limit(count))
        return [_summary(row) for row in rows]

    def delete_covering(self, tx: Tx, conversation_id: ConversationId, number: int) -> None:
        """Remove those that a message is part of."""
        columns = _summaries.c
        covering = (columns.conversation_id == conversation_id, columns.last_sequence >= number)
        tx.execute(delete(_summaries).where(*covering, columns.first_sequence <= number))

    def newest_covered(self, tx: Tx, conversation_id: ConversationId) -> int:
        """Sequence number of the last message that any covers; 0: there is none."""
        query = select(func.max(_summaries.c.last_sequence)).where(_summaries.c.conversation_id == conversation_id)
        return tx.scalar(query) or 0


def _summary(row: Row[tuple[object, ...]]) -> Summary:
    return Summary(**row._mapping)
