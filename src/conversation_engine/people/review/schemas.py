"""Reading along, on the wire."""

from datetime import datetime

from pydantic import BaseModel, Field

from conversation_engine.domains.conversations.schemas import ConversationOut, MessageOut
from conversation_engine.turns.types import Turn, TurnState


class ReviewedConversation(ConversationOut):
    """Somebody's conversation with some of its messages."""

    messages: list[MessageOut]
    next: str | None = Field(description="`cursor` of the page after this one.")
    previous: str | None = Field(description="`cursor` of the page before this one.")


class LiveTurn(BaseModel):
    """A turn that runs or waits in line."""

    id: str
    conversation_id: str
    user_id: str
    state: TurnState
    model: str
    attempt: int
    created_at: datetime

    @staticmethod
    def of(turn: Turn) -> "LiveTurn":
        """The wire shape."""
        return LiveTurn(
            id=turn.id,
            conversation_id=turn.conversation_id,
            user_id=turn.owner_id,
            state=turn.state,
            model=turn.model,
            attempt=turn.attempt,
            created_at=turn.created_at,
        )


class LiveTurns(BaseModel):
    """Turns that run or wait in line, oldest first."""

    items: list[LiveTurn]
