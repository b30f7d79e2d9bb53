"""What a database must be able to do for search."""

from collections import Counter
from collections.abc import Sequence
from typing import Final, Protocol

from conversation_engine.domains.retrieval.types import DocumentId, IndexHit, IndexQuery
from conversation_engine.infra.db.database import Tx

WORD_INDEX: Final = "chunk_fts"
"""What SQLite keeps words in, and what deleted ones are wiped from."""


class SearchIndex(Protocol):
    """Both find the same passages in the same order: ties go to what was written first."""

    @property
    def knows_vectors(self) -> bool:
        """Whether it can search by meaning; settled by `prepare`."""
        ...

    def prepare(self, tx: Tx) -> None:
        """Find out what the database can do. Called once, at the start, in a transaction that may change the schema."""
        ...

    def prepare_vectors(self, tx: Tx, *, dimensions: int) -> None:
        """Make sure that vectors of this length are found fast. Idempotent."""
        ...

    def stored_terms(self, collection_number: int, terms: Sequence[str]) -> str:
        """What `chunks.terms` holds for a passage with these terms."""
        ...

    def terms_in(self, tx: Tx, document_id: DocumentId) -> Counter[str]:
        """In how many of a document's passages each term occurs, as stored."""
        ...

    def search(self, tx: Tx, query: IndexQuery) -> tuple[Sequence[IndexHit], float | None]:
        """What is found, best first, and the best cosine of all passages looked at."""
        ...
