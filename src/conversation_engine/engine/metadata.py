"""The whole schema, as the models say it; what migrations are compared with."""

from typing import Final

from sqlalchemy import MetaData

from conversation_engine.domains.context import models as context
from conversation_engine.domains.conversations import models as conversations
from conversation_engine.domains.feedback import models as feedback
from conversation_engine.domains.limits import models as limits
from conversation_engine.domains.llm import models as llm
from conversation_engine.domains.personas import models as personas
from conversation_engine.domains.retrieval import models as retrieval
from conversation_engine.domains.users import models as users
from conversation_engine.infra.audit import models as audit
from conversation_engine.infra.db.base import Base
from conversation_engine.infra.idempotency import models as idempotency
from conversation_engine.infra.jobs import models as jobs
from conversation_engine.infra.outbox import models as outbox
from conversation_engine.insights.search import models as search
from conversation_engine.insights.statistics import models as statistics
from conversation_engine.insights.warehouse import models as warehouse
from conversation_engine.people.shares import models as shares
from conversation_engine.turns import models as turns
from conversation_engine.turns.begun_calls import models as begun_calls

_TABLES_ARE_REGISTERED_BY = (
    audit,
    begun_calls,
    context,
    conversations,
    feedback,
    idempotency,
    jobs,
    limits,
    llm,
    outbox,
    personas,
    retrieval,
    search,
    shares,
    statistics,
    turns,
    users,
    warehouse,
)

SEARCH_INDEXES: Final = (
    "chunk_fts",
    "ix_chunks_terms",
    "ix_chunk_vectors_hnsw",
    "message_words",
    "message_fts",
    "ix_message_terms_words",
)
"""What no model can say: FTS5's tables on SQLite, GIN and HNSW on PostgreSQL. The migrations make them."""


def is_modelled(name: str | None) -> bool:
    """Whether the models say how a table or an index of this name looks."""
    return name is None or not name.startswith(SEARCH_INDEXES)


def schema() -> MetaData:
    """Every table of the product."""
    return Base.metadata
