"""Why feedback was refused."""

from conversation_engine.kernel.errors import InvalidInputError


class EmptyFeedbackError(InvalidInputError):
    """Nothing was said."""

    code = "empty_feedback"

    def __init__(self) -> None:
        super().__init__("The feedback says nothing. Give a verdict, a rating, a text or a tag.")
