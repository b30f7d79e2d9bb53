"""Why something about a conversation was refused."""

from conversation_engine.kernel.errors import EngineError, Kind
from conversation_engine.kernel.ids import ConversationId, MessageId


class ConversationNotFoundError(EngineError):
    """No conversation has this id, or it was deleted."""

    code = "conversation_not_found"
    kind = Kind.NOT_FOUND

    def __init__(self, conversation_id: ConversationId) -> None:
        super().__init__(
            "There is no such conversation. It may have been deleted: list yours to see what is there.",
            conversation_id=conversation_id,
        )


class ConversationForbiddenError(EngineError):
    """The conversation is somebody else's."""

    code = "conversation_forbidden"
    kind = Kind.FORBIDDEN

    def __init__(self, conversation_id: ConversationId) -> None:
        super().__init__("That conversation belongs to somebody else.", conversation_id=conversation_id)


class ConversationNotActiveError(EngineError):
    """The conversation has ended or is archived, so nothing can be added to it."""

    code = "conversation_not_active"
    kind = Kind.CONFLICT

    def __init__(self, conversation_id: ConversationId, status: str) -> None:
        super().__init__(
            f"That conversation is {status}. Set its status to active again, or start a new one.",
            conversation_id=conversation_id,
            conversation_status=status,
        )


class SessionActiveError(EngineError):
    """The student has an active session with this client already."""

    code = "session_active"
    kind = Kind.CONFLICT

    def __init__(self, conversation_id: ConversationId | None = None) -> None:
        facts = {} if conversation_id is None else {"conversation_id": conversation_id}
        super().__init__("A session with this client is already active. Go on there, or end it first.", **facts)


class SessionFixedError(EngineError):
    """In a session the client decides on model and instructions, and only the student speaks for the student."""

    code = "session_fixed"
    kind = Kind.CONFLICT

    def __init__(self) -> None:
        super().__init__("In a session the client decides on the model and its instructions. Leave them out.")


class NotASessionError(EngineError):
    """The conversation is none with a client."""

    code = "not_a_session"
    kind = Kind.CONFLICT

    def __init__(self, conversation_id: ConversationId) -> None:
        super().__init__(
            "That conversation is none with a client. Use it under `/conversations`.", conversation_id=conversation_id
        )


class MessageNotFoundError(EngineError):
    """The conversation has no such message."""

    code = "message_not_found"
    kind = Kind.NOT_FOUND

    def __init__(self, message_id: MessageId) -> None:
        super().__init__("There is no such message in that conversation.", message_id=message_id)


class TooManyPinsError(EngineError):
    """Pinned messages stay in every window, so there may not be many."""

    code = "too_many_pins"
    kind = Kind.CONFLICT

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} messages are pinned here already. Unpin one first.", limit=limit)
