"""Counting in this process: about 6 µs a quota."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from conversation_engine.infra.rates.types import Charge, Quota, Standing
from conversation_engine.kernel.clock import Clock

SPANS_PER_PERIOD: Final = 1000
"""Hits closer together than this part of a period share an entry, so that a key never holds more than so many."""
KEYS_LOOKED_AT: Final = 2
"""Old keys that each call looks at: more than calls can add, so that what is over does not pile up."""


@dataclass(slots=True)
class _Entry:
    first: float
    last: float
    units: int


@dataclass(slots=True)
class _Log:
    """What happened for one key, oldest first."""

    period: float
    entries: deque[_Entry] = field(default_factory=deque)
    used: int = 0

    def forget(self, now: float) -> None:
        entries = self.entries
        while entries and entries[0].last + self.period <= now:
            self.used -= entries.popleft().units

    def add(self, units: int, now: float) -> None:
        self.used += units
        last = self.entries[-1] if self.entries else None
        if last is not None and now - last.first < self.period / SPANS_PER_PERIOD:
            last.last = now
            last.units += units
        else:
            self.entries.append(_Entry(now, now, units))

    def wait(self, units: int, limit: int, now: float) -> float:
        """Until `units` more fit; the whole period for what never does."""
        left = self.used
        for entry in self.entries:
            left -= entry.units
            if left + units <= limit:
                return entry.last + self.period - now
        return self.period


class MemoryWindows:
    """Windows of one process. Time is the monotonic clock's: setting the machine's clock changes nothing."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._logs: dict[str, _Log] = {}

    async def take(self, charges: Sequence[Charge]) -> Sequence[Standing]:
        now = self._clock.monotonic()
        self._forget_some(now)
        logs = [self._log(charge.quota, now) for charge in charges]
        pairs = list(zip(charges, logs, strict=True))
        if all(log.used + max(charge.units, 1) <= charge.quota.limit for charge, log in pairs):
            for charge, log in pairs:
                if charge.units:
                    log.add(charge.units, now)
            return [_standing(charge.quota, log, now) for charge, log in pairs]
        return [_standing(charge.quota, log, now, wanted=max(charge.units, 1)) for charge, log in pairs]

    async def look(self, quotas: Sequence[Quota]) -> Sequence[Standing]:
        now = self._clock.monotonic()
        return [_standing(quota, self._log(quota, now), now) for quota in quotas]

    async def add(self, quota: Quota, units: int) -> None:
        now = self._clock.monotonic()
        self._log(quota, now).add(units, now)

    async def aclose(self) -> None:
        return None

    def _log(self, quota: Quota, now: float) -> _Log:
        log = self._logs.get(quota.key)
        if log is None:
            log = self._logs[quota.key] = _Log(quota.period_seconds)
        log.forget(now)
        return log

    def _forget_some(self, now: float) -> None:
        """Look at the keys that were not looked at for longest; those still in use go to the end of the line."""
        for key in [key for key, _ in zip(self._logs, range(KEYS_LOOKED_AT), strict=False)]:
            log = self._logs.pop(key)
            log.forget(now)
            if log.entries:
                self._logs[key] = log


def _standing(quota: Quota, log: _Log, now: float, *, wanted: int = 0) -> Standing:
    is_refused = wanted > 0 and log.used + wanted > quota.limit
    return Standing(
        quota=quota,
        remaining=max(0, quota.limit - log.used),
        reset_seconds=log.entries[0].last + log.period - now if log.entries else 0,
        wait_seconds=log.wait(wanted, quota.limit, now) if is_refused else 0,
    )
