"""Why nothing was searched."""

from conversation_engine.kernel.errors import InvalidInputError


class NothingSoughtError(InvalidInputError):
    """A search without a word."""

    code = "nothing_sought"

    def __init__(self) -> None:
        super().__init__(
            'Search for at least one word; "words in quotes" stand next to each other, and word* finds what begins so.',
            field="q",
        )
