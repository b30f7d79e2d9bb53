"""What this door refuses."""

from conversation_engine.kernel.errors import InvalidInputError


class UnsupportedPartError(InvalidInputError):
    """A message has a part that cannot be said here."""

    code = "unsupported_part"

    def __init__(self, kind: str) -> None:
        super().__init__(
            f"A part of the kind {kind[:50]!r} cannot be said here: send text.", field="messages[-1].parts"
        )


class NothingSaidError(InvalidInputError):
    """There is no message of a user to answer."""

    code = "nothing_said"

    def __init__(self) -> None:
        super().__init__("There is nothing to answer: the last of `messages` must be the user's.", field="messages")
