"""The words of sessions."""

from dataclasses import dataclass

from conversation_engine.domains.conversations.types import ConversationStatus
from conversation_engine.kernel.ids import PersonaId, UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFilter:
    """Which conversations to list; `None` means any."""

    owner_id: UserId | None = None
    supervisor_id: UserId | None = None
    persona_id: PersonaId | None = None
    status: ConversationStatus | None = None
    only_sessions: bool = True
    """False: conversations without a client too."""
