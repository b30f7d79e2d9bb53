"""What a warehouse must be able to do."""

from typing import Protocol

from conversation_engine.insights.warehouse.types import Batch


class Warehouse(Protocol):
    """All raise WarehouseFailedError, and WarehouseMissingError where what talks to it is not installed."""

    async def prepare(self) -> None:
        """Make its tables where they are not there. Idempotent."""
        ...

    async def carry(self, batch: Batch) -> None:
        """Have exactly this there, by key: the same again changes nothing, so what breaks off half-way is repeated."""
        ...

    async def count(self) -> tuple[int, int]:
        """How many sessions and messages are there."""
        ...

    async def aclose(self) -> None:
        """Hang up. Idempotent."""
        ...
