"""Why no window could be planned."""

from conversation_engine.kernel.errors import EngineError, Kind


class MessageTooLongError(EngineError):
    """The newest message and the system prompt alone are more than the model can read."""

    code = "message_too_long"
    kind = Kind.TOO_LARGE

    def __init__(self, *, needed_tokens: int, budget_tokens: int) -> None:
        super().__init__(
            f"This message needs about {needed_tokens} tokens with the system prompt; this model has room for "
            f"{budget_tokens}. Shorten it, or choose a model with a longer context.",
            needed_tokens=needed_tokens,
            budget_tokens=budget_tokens,
        )


class NothingToAnswerError(EngineError):
    """A reply was asked for in a conversation in which nobody has said anything."""

    code = "nothing_to_answer"
    kind = Kind.INVALID

    def __init__(self) -> None:
        super().__init__("There is nothing to answer yet. Add a message first.")
