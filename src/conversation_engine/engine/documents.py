"""Chooses what searches documents."""

from typing import Protocol

from conversation_engine.domains.llm.embeddings.service import EmbeddingService
from conversation_engine.domains.retrieval.index.ports import SearchIndex
from conversation_engine.domains.retrieval.service import RetrievalService
from conversation_engine.engine.settings import Settings
from conversation_engine.infra.db.database import Database
from conversation_engine.infra.db.opening import backend_of
from conversation_engine.infra.jobs.service import JobQueue
from conversation_engine.infra.observability.metrics import Metrics
from conversation_engine.kernel.clock import Clock


class SearchParts(Protocol):
    """What is searched, and with what: an engine."""

    settings: Settings
    database: Database
    embeddings: EmbeddingService
    clock: Clock
    jobs: JobQueue
    metrics: Metrics


def make_retrieval(engine: SearchParts) -> RetrievalService:
    """Documents and search over one database."""
    index: SearchIndex
    if backend_of(engine.settings.resolved_database_url) == "postgresql":
        from conversation_engine.domains.retrieval.index.postgres import PostgresIndex

        index = PostgresIndex()
    else:
        from conversation_engine.domains.retrieval.index.sqlite import SqliteIndex

        index = SqliteIndex()
    return RetrievalService(
        engine.database,
        index=index,
        embeddings=engine.embeddings,
        jobs=engine.jobs,
        clock=engine.clock,
        settings=engine.settings,
        recorder=engine.metrics,
    )
