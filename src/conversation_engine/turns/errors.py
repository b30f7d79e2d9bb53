"""Why a turn was refused."""

from conversation_engine.kernel.errors import EngineError, Kind
from conversation_engine.kernel.ids import MessageId, TurnId


class TurnNotFoundError(EngineError):
    """The conversation has no such turn."""

    code = "turn_not_found"
    kind = Kind.NOT_FOUND

    def __init__(self, turn_id: TurnId) -> None:
        super().__init__("There is no such turn in that conversation.", turn_id=turn_id)


class TurnInProgressError(EngineError):
    """A conversation answers one message at a time."""

    code = "turn_in_progress"
    kind = Kind.CONFLICT

    def __init__(self, turn_id: TurnId | None) -> None:
        super().__init__(
            "This conversation is still answering. Wait for that turn to end, or cancel it, then try again.",
            turn_id=turn_id,
            retry_after=1,
        )
        self.turn_id = turn_id


class QueueFullError(EngineError):
    """Too many turns wait in line."""

    code = "turn_queue_full"
    kind = Kind.RATE_LIMITED

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"{limit} turns are waiting in this conversation already. Wait for some to end, then try again.",
            limit=limit,
            retry_after=5,
        )


class NotEditableError(EngineError):
    """Only what a user said can be said otherwise."""

    code = "message_not_editable"
    kind = Kind.CONFLICT

    def __init__(self, message_id: MessageId) -> None:
        super().__init__(
            "Only a user's message can be edited. To have a reply said anew, regenerate it.", message_id=message_id
        )


class NothingToRegenerateError(EngineError):
    """The message is the first of its conversation and nobody's question."""

    code = "nothing_to_regenerate"
    kind = Kind.CONFLICT

    def __init__(self, message_id: MessageId) -> None:
        super().__init__(
            "That message answers nothing, so it cannot be generated again. Name a reply, or the message to answer.",
            message_id=message_id,
        )


class ShuttingDownError(EngineError):
    """This process takes no new turns because it is stopping."""

    code = "shutting_down"
    kind = Kind.UNAVAILABLE

    def __init__(self) -> None:
        super().__init__("This server is stopping. Try again in a moment.", retry_after=2)


class UnknownToolCallError(EngineError):
    """A result answers a call that the reply before it does not make."""

    code = "unknown_tool_call"
    kind = Kind.INVALID

    def __init__(self, call_id: str) -> None:
        super().__init__(
            f"The reply before it makes no call with the id {call_id[:100]!r}. Send results right after their calls.",
            call_id=call_id[:255],
        )
