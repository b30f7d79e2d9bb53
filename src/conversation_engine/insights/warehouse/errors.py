"""Why the warehouse cannot be fed."""

from conversation_engine.kernel.errors import EngineError, InvalidInputError, Kind


class BadWarehouseError(InvalidInputError):
    """An address that is none."""

    code = "bad_warehouse"


class WarehouseMissingError(EngineError):
    """There is none, or what talks to it is not installed."""

    code = "warehouse_missing"
    kind = Kind.UNAVAILABLE


class WarehouseFailedError(EngineError):
    """It did not take what it was sent. It is sent again."""

    code = "warehouse_failed"
    kind = Kind.UPSTREAM

    def __init__(self) -> None:
        super().__init__(
            "The warehouse did not take it; the log says why. It is tried again: look at `convo warehouse status`."
        )
