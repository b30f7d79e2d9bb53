"""Why the engine does not start."""

from conversation_engine.kernel.errors import EngineError, Kind


class SchemaMismatchError(EngineError):
    """The database has another version's schema."""

    code = "schema_mismatch"
    kind = Kind.UNAVAILABLE

    def __init__(self, *, current: str, expected: str | None) -> None:
        super().__init__(
            f"The database is at schema {current}, this version needs {expected}. Run `convo db upgrade` once, "
            "or start the version that the database belongs to.",
            current=current,
            expected=expected,
        )
