"""What happens when the shared counter is away."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from conversation_engine.infra.observability.logs import get_logger
from conversation_engine.infra.rates.ports import RateWindows
from conversation_engine.infra.rates.types import Charge, Quota, Standing
from conversation_engine.kernel.clock import Clock

T = TypeVar("T")
RETRY_SECONDS: Final = 5.0
"""How long a counter that failed is left alone: each try may cost a request its whole timeout."""
_log = get_logger(__name__)


class FailoverWindows:
    """`shared` while it answers; else `own`, which starts empty: service goes on, each process counting for itself."""

    def __init__(self, shared: RateWindows, own: RateWindows, *, clock: Clock) -> None:
        self._shared = shared
        self._own = own
        self._clock = clock
        self._away_until: float | None = None

    async def take(self, charges: Sequence[Charge]) -> Sequence[Standing]:
        return await self._ask(lambda windows: windows.take(charges))

    async def look(self, quotas: Sequence[Quota]) -> Sequence[Standing]:
        return await self._ask(lambda windows: windows.look(quotas))

    async def add(self, quota: Quota, units: int) -> None:
        await self._ask(lambda windows: windows.add(quota, units))

    async def aclose(self) -> None:
        await self._shared.aclose()
        await self._own.aclose()

    async def _ask(self, ask: Callable[[RateWindows], Awaitable[T]]) -> T:
        if self._away_until is not None:
            now = self._clock.monotonic()
            if now < self._away_until:
                return await ask(self._own)
            self._away_until = now + RETRY_SECONDS  # one request tries; the others need not wait for it
        try:
            answer = await ask(self._shared)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it, people are served
            if self._away_until is None:
                _log.warning("rates.counted_alone", error=type(error).__name__)
            self._away_until = self._clock.monotonic() + RETRY_SECONDS
            return await ask(self._own)
        if self._away_until is not None:
            _log.warning("rates.counted_together")
            self._away_until = None
        return answer
