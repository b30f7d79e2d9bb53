"""What personas need of other rooms."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from conversation_engine.infra.db.database import Tx
from conversation_engine.kernel.ids import PersonaId, UserId


class CollectionShelf(Protocol):
    """Lends collections of documents to clients. Joins the caller's transaction."""

    def lend(
        self, tx: Tx, persona_id: PersonaId, collection_ids: Sequence[str], *, version: int, lender_id: UserId
    ) -> None:
        """Give a client's new version these collections, each once.

        What the version before has stays with whoever lent it; the rest `lender_id` has to be able to read: refused as
        reading it would be.
        """
        ...

    def lent(self, tx: Tx, versions: Sequence[tuple[PersonaId, int]]) -> Mapping[tuple[PersonaId, int], Sequence[str]]:
        """Ids of what versions of clients have, in their order; versions that have none are left out."""
        ...
