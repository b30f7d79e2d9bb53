"""What the rooms of the product know of metrics: something happened, it took so long, it stands so.

No library is imported here, and no value is kept: see `metrics.py`.
"""

from dataclasses import dataclass
from typing import Final, Literal, Protocol

OTHER: Final = "other"
"""In place of a label's value that is none of its known ones: ids and what people write never become labels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What a metric is told apart by: always one of a bounded set of values."""

    name: str
    values: tuple[str, ...] | None = None
    """All there are; `None`: those that the engine knows when it starts (`Metrics.allow`)."""
    meaning: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A thing that is counted, measured or read."""

    name: str
    """Its unit at the end, as Prometheus wants it; the sum of a counter gets `_total`."""
    help: str
    labels: tuple[Label, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter(Metric):
    """Only grows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram(Metric):
    """How often something took how long, or was how large."""

    buckets: tuple[float, ...]
    """Upper bounds, in the unit of the name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge(Metric):
    """Stands somewhere, in each process; told is what `together` makes of those of all workers of a server."""

    together: Literal["sum", "max"] = "sum"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading(Metric):
    """Read from the store when somebody asks: the same on every server of a fleet, so take `max`, never `sum`."""


class Recorder(Protocol):
    """Takes notes. Cheap enough for once a turn, not meant for once a word; safe from any thread; never raises."""

    def add(self, metric: Counter, *labels: str, amount: float = 1) -> None:
        """Count something. `labels` in the order of the metric's."""
        ...

    def observe(self, metric: Histogram, value: float, *labels: str) -> None:
        """Note how long something took, or how large it was."""
        ...


class _Silence:
    def add(self, metric: Counter, *labels: str, amount: float = 1) -> None:
        return None

    def observe(self, metric: Histogram, value: float, *labels: str) -> None:
        return None


SILENCE: Final[Recorder] = _Silence()
"""Takes no notes."""
