"""Why a unit of work could not be done."""

from collections.abc import Sequence

from conversation_engine.kernel.errors import EngineError, Kind


class DatabaseUnavailableError(EngineError):
    """The database does not answer, or went away in the middle: whether a write was committed is not known."""

    code = "database_unavailable"
    kind = Kind.UNAVAILABLE

    def __init__(self) -> None:
        super().__init__("The database cannot be reached just now. Try again in a moment.", retry_after=1)


class TargetNotEmptyError(EngineError):
    """A copy would mix with what is there."""

    code = "target_not_empty"
    kind = Kind.CONFLICT

    def __init__(self, table: str) -> None:
        super().__init__(
            f"The target has rows in {table} already. Copy into a database that is new, or drop this one first.",
            table=table,
        )


class CopyDiffersError(EngineError):
    """What was written is not what was read; nothing was kept of it."""

    code = "copy_differs"
    kind = Kind.INTERNAL

    def __init__(self, tables: Sequence[str]) -> None:
        names = ", ".join(tables)
        super().__init__(
            f"The copy is not the same in {names}: nothing was kept of it, the source is as it was. Please report it.",
            tables=list(tables),
        )


class BackupFailedError(EngineError):
    """There is no backup; what was there before is as it was."""

    code = "backup_failed"
    kind = Kind.UNAVAILABLE


class LogInUseError(EngineError):
    """Somebody reads a snapshot for so long that the log beside the data cannot be emptied."""

    code = "log_in_use"
    kind = Kind.UNAVAILABLE

    def __init__(self) -> None:
        super().__init__("A process reads an old snapshot of the database. It is tried again; or end that process.")
