"""Which collections are searched beside those that the reader may read."""

from typing import Final

from conversation_engine.domains.retrieval.types import IndexQuery

_LENT: Final = """ OR id IN (
    SELECT l.collection_id FROM collection_loans l WHERE l.persona_id = :persona AND l.version = :version
    AND (l.lender_id = collections.owner_id OR collections.is_shared)
  )"""
"""A lender who may not read a collection any more does not lend it any more."""


def lent(query: IndexQuery) -> str:
    """What is added to the condition on `collections`; it wants `persona` and `version` where it is not empty."""
    return "" if query.borrower is None else _LENT
