"""Lends collections to clients, so that what a student may not read can still be known to whom they talk with."""

from collections.abc import Mapping, Sequence

from conversation_engine.domains.retrieval.lending.repo import LoanRepo
from conversation_engine.domains.retrieval.service import RetrievalService
from conversation_engine.infra.db.database import Tx
from conversation_engine.kernel.ids import PersonaId, UserId


class LendingDesk:
    """Joins the caller's transaction."""

    def __init__(self, retrieval: RetrievalService) -> None:
        self._retrieval = retrieval
        self._loans = LoanRepo()

    def lend(
        self, tx: Tx, persona_id: PersonaId, collection_ids: Sequence[str], *, version: int, lender_id: UserId
    ) -> None:
        """Give a client's new version these collections. What the version before has keeps its lender.

        Raises CollectionNotFoundError or CollectionForbiddenError for what the lender may not read.
        """
        if not collection_ids:
            return
        lenders = {row.collection_id: row.lender_id for row in self._loans.list_of(tx, [(persona_id, version - 1)])}
        for collection_id in collection_ids:
            if collection_id not in lenders:
                self._retrieval.readable(tx, collection_id, lender_id)
            own = lenders.get(collection_id, lender_id)
            self._loans.insert(tx, persona_id, version, collection_id=collection_id, lender_id=own)

    def lent(self, tx: Tx, versions: Sequence[tuple[PersonaId, int]]) -> Mapping[tuple[PersonaId, int], Sequence[str]]:
        """Ids of what versions of clients have, in their order; versions that have none are left out. One statement."""
        found: dict[tuple[PersonaId, int], list[str]] = {}
        for row in self._loans.list_of(tx, versions) if versions else ():
            found.setdefault((row.persona_id, row.version), []).append(row.collection_id)
        return found
