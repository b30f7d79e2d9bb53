"""What this door refuses."""

from conversation_engine.kernel.errors import InvalidInputError


class UnsupportedPartError(InvalidInputError):
    """A message has a part that cannot be said here."""

    code = "unsupported_part"

    def __init__(self, kind: str, place: int) -> None:
        super().__init__(
            f"A part of the kind {kind[:50]!r} cannot be said here: send text, files, and outputs of tools.",
            field=f"messages[-1].parts[{place}]",
        )


class BadFilePartError(InvalidInputError):
    """The file of a part is nowhere."""

    code = "invalid_file_part"

    def __init__(self, place: int) -> None:
        super().__init__(
            "The `url` of a file must be a data URL in base64 that fits its `mediaType`, or an address.",
            field=f"messages[-1].parts[{place}].url",
        )


class NothingSaidError(InvalidInputError):
    """There is neither a message of a user nor the output of a tool to answer."""

    code = "nothing_said"

    def __init__(self) -> None:
        super().__init__(
            "There is nothing to answer: the last of `messages` must be the user's, or have outputs of tools that it "
            "calls.",
            field="messages",
        )
