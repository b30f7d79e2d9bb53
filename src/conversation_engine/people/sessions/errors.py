"""Why a client did not answer."""

from conversation_engine.kernel.errors import EngineError, Kind
from conversation_engine.turns.types import Turn


class NoReplyError(EngineError):
    """The turn ended without a whole reply; what was said of it is kept."""

    code = "no_reply"
    kind = Kind.UPSTREAM

    def __init__(self, turn: Turn) -> None:
        super().__init__(
            "The client did not finish its answer. Your message is kept: ask for the answer again.",
            turn_id=turn.id,
            state=turn.state.value,
            reason=turn.error.code if turn.error else None,
        )
