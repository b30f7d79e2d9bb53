"""Chooses what clients to practise with are made of."""

from typing import Protocol

from conversation_engine.domains.personas.prompts.library import PromptLibrary
from conversation_engine.domains.personas.service import PersonaService
from conversation_engine.domains.retrieval.lending.service import LendingDesk
from conversation_engine.domains.retrieval.service import RetrievalService
from conversation_engine.engine.settings import Settings
from conversation_engine.infra.audit.service import AuditLog
from conversation_engine.infra.db.database import Database
from conversation_engine.infra.idempotency.ledger import IdempotencyLedger
from conversation_engine.kernel.clock import Clock


class PersonaParts(Protocol):
    """What personas are made from: an engine."""

    database: Database
    clock: Clock
    audit: AuditLog
    retrieval: RetrievalService


def make_personas(engine: PersonaParts, *, settings: Settings) -> PersonaService:
    """Clients and prompt templates. Raises TemplateUnreadableError."""
    return PersonaService(
        engine.database,
        clock=engine.clock,
        ledger=IdempotencyLedger(engine.database, clock=engine.clock, hours=settings.idempotency_hours),
        library=PromptLibrary(settings.prompts_dir),
        audit=engine.audit,
        shelf=LendingDesk(engine.retrieval),
    )
