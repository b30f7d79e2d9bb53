"""Wiring of conversations that move."""

from typing import Protocol

from conversation_engine.domains.conversations.arrivals.service import ArrivalStore
from conversation_engine.domains.conversations.service import ConversationService
from conversation_engine.domains.conversations.sessions.service import SessionStore
from conversation_engine.domains.feedback.service import FeedbackService
from conversation_engine.engine.settings import Settings
from conversation_engine.infra.audit.service import AuditLog
from conversation_engine.infra.db.database import Database
from conversation_engine.insights.calls.service import CallService
from conversation_engine.kernel.clock import Clock
from conversation_engine.people.moves.importing.service import ImportService
from conversation_engine.people.moves.service import ExportService


class MovingParts(Protocol):
    """What it is made of: an engine."""

    database: Database
    clock: Clock
    audit: AuditLog
    conversations: ConversationService
    calls: CallService


def make_moves(engine: MovingParts, *, settings: Settings) -> tuple[ExportService, ImportService]:
    """Writes conversations as files, and brings them in."""
    database, clock = engine.database, engine.clock
    feedback = FeedbackService(database, clock=clock)
    exports = ExportService(
        database,
        conversations=engine.conversations,
        sessions=SessionStore(database, conversations=engine.conversations, clock=clock),
        calls=engine.calls,
        feedback=feedback,
        audit=engine.audit,
        clock=clock,
    )
    imports = ImportService(
        database,
        conversations=engine.conversations,
        arrivals=ArrivalStore(database, clock=clock),
        feedback=feedback,
        settings=settings,
    )
    return exports, imports
