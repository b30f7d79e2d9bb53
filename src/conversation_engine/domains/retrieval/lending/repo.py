"""Every query about loans."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, insert, select, tuple_

from conversation_engine.domains.retrieval.models import LoanModel
from conversation_engine.infra.db.database import Tx
from conversation_engine.kernel.ids import PersonaId, UserId

_loans = LoanModel.__table__


class LoanRepo:
    """Rows of `collection_loans`."""

    def list_of(self, tx: Tx, versions: Sequence[tuple[PersonaId, int]]) -> Sequence[Row[Any]]:
        """What these versions of clients have, by collection."""
        query = select(*_loans.c).where(tuple_(_loans.c.persona_id, _loans.c.version).in_(versions))
        return tx.execute(query.order_by(_loans.c.collection_id)).all()

    def insert(self, tx: Tx, persona_id: PersonaId, version: int, *, collection_id: str, lender_id: UserId) -> None:
        """Write one."""
        row = {"persona_id": persona_id, "version": version, "collection_id": collection_id, "lender_id": lender_id}
        tx.execute(insert(_loans), row)
