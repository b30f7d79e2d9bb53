"""Why an embedded conversation could not go on.

EngineError
├── GenerationFailedError   upstream: the turn ended without a whole reply; it says why, and keeps what was said
├── NoConversationError     internal: a helper was used outside a conversation session
├── PromptUnreadableError   internal: the prompt of a conversation class cannot be loaded
└── UserRequiredError       invalid: nobody said whose conversations are meant
"""

from conversation_engine.dialogue.types import ConversationMessageDTO
from conversation_engine.kernel.errors import EngineError, InvalidInputError, Kind
from conversation_engine.turns.types import Turn, TurnError, TurnState

_UNSAID = {
    TurnState.COMPLETED: TurnError(
        code="empty_reply", detail="The model ended its reply without a word. Ask again, or rephrase the message."
    ),
    TurnState.FAILED: TurnError(
        code="turn_failed", detail="The reply could not be made. What was said so far is kept; please try again."
    ),
    TurnState.CANCELLED: TurnError(
        code="turn_cancelled", detail="The reply was cancelled. What was said so far is kept; ask again for the rest."
    ),
    TurnState.INTERRUPTED: TurnError(
        code="turn_interrupted",
        detail="The engine stopped while it was answering. What was said so far is kept; ask again for the rest.",
    ),
}
"""Why there is no whole reply where the turn itself does not say."""


class GenerationFailedError(EngineError):
    """A turn ended without a whole reply; `turn_code` and the sentence are the turn's own."""

    code = "generation_failed"
    kind = Kind.UPSTREAM

    def __init__(self, turn: Turn, *, reply: ConversationMessageDTO | None) -> None:
        reason = turn.error or _UNSAID[turn.state]
        super().__init__(reason.detail, turn_id=turn.id, turn_state=turn.state.value, turn_code=reason.code)
        self.turn_id: str = turn.id
        self.turn_state = turn.state
        self.turn_code = reason.code
        """The turn's stable code, such as `model_overloaded` or `nothing_to_answer`."""
        self.reply = reply
        """The beginning of the reply, as it is stored; `None` where nothing was said."""


class NoConversationError(EngineError):
    """There is no current conversation."""

    code = "no_conversation"
    kind = Kind.INTERNAL

    def __init__(self) -> None:
        super().__init__("No conversation is open here. Call this inside a function with @conversation_session.")


class PromptUnreadableError(EngineError):
    """The system prompt of a conversation class cannot be loaded."""

    code = "prompt_unreadable"
    kind = Kind.INTERNAL


class UserRequiredError(InvalidInputError):
    """Everything belongs to a user, and none was named."""

    code = "user_required"

    def __init__(self) -> None:
        super().__init__(
            "Whose conversation is it? Pass user_id=…, or bind the service to a user with for_user(…).",
            field="user_id",
        )
