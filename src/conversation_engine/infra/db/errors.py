"""Why a unit of work could not be done."""

from conversation_engine.kernel.errors import EngineError, Kind


class DatabaseUnavailableError(EngineError):
    """The database does not answer, or went away in the middle: whether a write was committed is not known."""

    code = "database_unavailable"
    kind = Kind.UNAVAILABLE

    def __init__(self) -> None:
        super().__init__("The database cannot be reached just now. Try again in a moment.", retry_after=1)
