"""Wiring of conversations that move."""

from typing import Protocol

from conversation_engine.domains.conversations.service import ConversationService
from conversation_engine.domains.conversations.sessions.service import SessionStore
from conversation_engine.domains.feedback.service import FeedbackService
from conversation_engine.infra.audit.service import AuditLog
from conversation_engine.infra.db.database import Database
from conversation_engine.insights.calls.service import CallService
from conversation_engine.kernel.clock import Clock
from conversation_engine.people.moves.service import ExportService


class MovingParts(Protocol):
    """What it is made of: an engine."""

    database: Database
    clock: Clock
    audit: AuditLog
    conversations: ConversationService
    calls: CallService


def make_exports(engine: MovingParts) -> ExportService:
    """Writes conversations as files."""
    database, clock = engine.database, engine.clock
    return ExportService(
        database,
        conversations=engine.conversations,
        sessions=SessionStore(database, conversations=engine.conversations, clock=clock),
        calls=engine.calls,
        feedback=FeedbackService(database, clock=clock),
        audit=engine.audit,
        clock=clock,
    )
