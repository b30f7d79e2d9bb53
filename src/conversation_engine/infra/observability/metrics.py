"""Where notes are kept until Prometheus asks for them.

Alone, a process keeps them in memory. Workers that share a port keep them in files of a folder that they share
(`PROMETHEUS_MULTIPROC_DIR`, the library's own way, see `sharing.py`), and whichever is asked adds all of them up.
"""

import asyncio
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import product
from math import prod
from typing import Any, Final

import prometheus_client as prometheus
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.multiprocess import MultiProcessCollector

from conversation_engine.infra.observability.catalogue import CATALOGUE
from conversation_engine.infra.observability.recording import OTHER, Counter, Gauge, Histogram, Label, Metric, Reading
from conversation_engine.infra.observability.sharing import FOLDER_VARIABLE

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
MOST_AT_ZERO: Final = 64
"""Series that stand at zero until something happens: alerts then see the first event. Not for metrics with more."""

Readings = Mapping[Reading, Mapping[tuple[str, ...], float]]
"""What was read from the store, by labels."""


class Metrics:
    """A `Recorder`. Of one engine; in a folder that is shared, of one process.

    A note costs about 2 µs in memory and 3 in a shared file.
    """

    def __init__(self, catalogue: Sequence[Metric] = CATALOGUE) -> None:
        self._registry = prometheus.CollectorRegistry()
        self._folder = os.environ.get(FOLDER_VARIABLE)
        self._catalogue = catalogue
        self._allowed: dict[str, frozenset[str]] = {}
        self._parents: dict[str, Any] = {metric.name: self._parent(metric) for metric in catalogue}
        self._series: dict[tuple[str, tuple[str, ...]], Any] = {}

    def allow(self, label: str, values: Collection[str]) -> None:
        """From now on these, too, are values of that label."""
        self._allowed[label] = self._allowed.get(label, frozenset()) | frozenset(values)

    def add(self, metric: Counter, *labels: str, amount: float = 1) -> None:
        """See `Recorder`."""
        (self._series.get((metric.name, labels)) or self._one(metric, labels)).inc(amount)

    def observe(self, metric: Histogram, value: float, *labels: str) -> None:
        """See `Recorder`."""
        (self._series.get((metric.name, labels)) or self._one(metric, labels)).observe(value)

    def put(self, metric: Gauge, value: float, *labels: str) -> None:
        """How something stands in this process now."""
        (self._series.get((metric.name, labels)) or self._one(metric, labels)).set(value)

    def shift(self, metric: Gauge, by: float, *labels: str) -> None:
        """One more of something in this process, or one less."""
        (self._series.get((metric.name, labels)) or self._one(metric, labels)).inc(by)

    async def page(self, readings: Readings | None = None) -> bytes:
        """Everything in Prometheus' text format. Some milliseconds, in a thread: files may have to be read."""
        for metric in self._catalogue:
            self._begin(metric)
        return await asyncio.to_thread(self._page, readings or {})

    def _page(self, readings: Readings) -> bytes:
        return generate_latest(_Page([*self._kept(), *map(self._read, readings.items())]))

    def _kept(self) -> Iterator[Family]:
        if self._folder is None:
            for family in self._registry.collect():
                family.samples = [one for one in family.samples if not one.name.endswith("_created")]
                yield family
            return
        ours = {metric.name for metric in self._catalogue}
        families = MultiProcessCollector(None, path=self._folder).collect()  # type: ignore[no-untyped-call]
        yield from sorted((one for one in families if one.name in ours), key=lambda one: one.name)

    def _read(self, reading: tuple[Reading, Mapping[tuple[str, ...], float]]) -> Family:
        metric, values = reading
        family = GaugeMetricFamily(metric.name, metric.help, labels=[label.name for label in metric.labels])
        found: dict[tuple[str, ...], float] = {}
        for labels, value in values.items():
            known = self._known(metric, labels)
            found[known] = found.get(known, 0) + value
        for known, value in found.items():
            family.add_metric(list(known), value)
        return family

    def _parent(self, metric: Metric) -> Any:
        names = [label.name for label in metric.labels]
        if isinstance(metric, Counter):
            return prometheus.Counter(metric.name, metric.help, names, registry=self._registry)
        if isinstance(metric, Histogram):
            return prometheus.Histogram(
                metric.name, metric.help, names, registry=self._registry, buckets=metric.buckets
            )
        if isinstance(metric, Gauge):
            mode: Any = {"sum": "livesum", "max": "livemax"}[metric.together]
            return prometheus.Gauge(metric.name, metric.help, names, registry=self._registry, multiprocess_mode=mode)
        return None

    def _begin(self, metric: Metric) -> None:
        """Let its series stand at zero, where they are known and few: not before somebody looks, it takes 10 ms."""
        known = [self._values(label) for label in metric.labels]
        if not isinstance(metric, Counter) or prod(map(len, known)) > MOST_AT_ZERO:
            return
        for labels in product(*known):
            self._one(metric, labels)

    def _one(self, metric: Metric, labels: tuple[str, ...]) -> Any:
        known = self._known(metric, labels)
        key = (metric.name, known)
        series = self._series.get(key)
        if series is None:
            parent = self._parents[metric.name]
            series = self._series[key] = parent.labels(*known) if known else parent
        return series

    def _known(self, metric: Metric, labels: tuple[str, ...]) -> tuple[str, ...]:
        if len(labels) != len(metric.labels):
            raise AssertionError(f"{metric.name} has {len(metric.labels)} labels, and was given {len(labels)}")
        return tuple(
            value if value in self._values(label) else OTHER for label, value in zip(metric.labels, labels, strict=True)
        )

    def _values(self, label: Label) -> Collection[str]:
        return self._allowed.get(label.name, frozenset()) if label.values is None else label.values


class _Page:
    """What the library renders."""

    def __init__(self, families: Iterable[Family]) -> None:
        self._families = families

    def collect(self) -> Iterable[Family]:
        return self._families
