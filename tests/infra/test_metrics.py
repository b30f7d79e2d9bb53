"""Metrics: what is noted, by what it may be told apart, and how several processes are added up."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import values
from prometheus_client.parser import text_string_to_metric_families

from conversation_engine.infra.observability import sharing
from conversation_engine.infra.observability.catalogue import (
    ACTIVE_TURNS,
    BUDGET_ALERTS,
    CATALOGUE,
    MODEL_TOKENS,
    OPEN_CIRCUITS,
    PROCESSES,
    TURN_SECONDS,
    TURNS,
    TURNS_STORED,
)
from conversation_engine.infra.observability.metrics import Metrics
from conversation_engine.infra.observability.recording import OTHER, Counter, Gauge, Histogram, Metric, Reading

UNITS = ("_seconds", "_dollars", "_tokens", "_cosine")
AN_ID = "01890a5d-ac96-774b-bcce-b302099a8057"


async def told_by(metrics: Metrics, readings: dict[Reading, dict[tuple[str, ...], float]] | None = None) -> str:
    return (await metrics.page(readings)).decode()


def value_of(page: str, sample: str) -> float:
    """Of a line of the page."""
    [line] = [line for line in page.splitlines() if line.startswith(f"{sample} ")]
    return float(line.rpartition(" ")[2])


class TestTheCatalogue:
    def test_names_are_unique_and_say_what_is_measured(self) -> None:
        names = [metric.name for metric in CATALOGUE]
        assert len(set(names)) == len(names) > 40
        for metric in CATALOGUE:
            assert re.fullmatch(r"convo(_[a-z]+)+", metric.name)
            assert not metric.name.endswith("_total"), "the library adds it"
            assert metric.help.endswith("."), metric.name
            if isinstance(metric, Histogram):
                assert metric.name.endswith(UNITS)
                assert list(metric.buckets) == sorted(metric.buckets)

    def test_every_label_has_its_values_or_says_where_they_come_from(self) -> None:
        for metric in CATALOGUE:
            for label in metric.labels:
                assert bool(label.values) or bool(label.meaning), (metric.name, label.name)


class TestLabels:
    @given(written=st.one_of(st.uuids().map(str), st.text(), st.emails()))
    @settings(max_examples=8, deadline=None)
    async def test_an_id_or_what_somebody_wrote_never_becomes_one(self, written: str) -> None:
        metrics = Metrics()
        metrics.allow("model", ["scripted/test"])
        readings: dict[Reading, dict[tuple[str, ...], float]] = {}
        for metric in CATALOGUE:
            labels = tuple(f"{written}-{place}" for place, _ in enumerate(metric.labels))
            note(metrics, metric, labels, readings)
        found = set()
        for family in text_string_to_metric_families(await told_by(metrics, readings)):
            for sample in family.samples:
                found |= {value for name, value in sample.labels.items() if name != "le"}
        known = {value for metric in CATALOGUE for label in metric.labels for value in label.values or ()}
        assert found <= known | {OTHER, "scripted/test"}

    async def test_what_is_unknown_is_counted_together(self) -> None:
        metrics = Metrics()
        metrics.add(TURNS, "completed", AN_ID)
        metrics.add(TURNS, "completed", "what is my mother's maiden name?")
        assert value_of(await told_by(metrics), 'convo_turns_total{outcome="completed",type="other"}') == 2

    async def test_series_that_are_known_stand_at_zero_so_that_alerts_see_the_first_event(self) -> None:
        metrics = Metrics()
        metrics.allow("percent", ["50", "80"])
        page = await told_by(metrics)
        assert page.count("convo_budget_alerts_total{") == 2 * 5 * 3
        assert value_of(page, 'convo_budget_alerts_total{percent="80",period="day",scope="user"}') == 0
        metrics.add(BUDGET_ALERTS, "80", "user", "day")
        page = await told_by(metrics)
        assert value_of(page, 'convo_budget_alerts_total{percent="80",period="day",scope="user"}') == 1

    def test_too_few_are_a_mistake(self) -> None:
        with pytest.raises(AssertionError, match="convo_turns has 2 labels"):
            Metrics().add(TURNS, "completed")


class TestAProcess:
    async def test_it_counts_measures_and_stands(self) -> None:
        metrics = Metrics()
        metrics.allow("model", ["m"])
        metrics.add(MODEL_TOKENS, "m", "input", amount=12)
        metrics.observe(TURN_SECONDS, 0.3, "completed")
        metrics.put(ACTIVE_TURNS, 5)
        metrics.shift(ACTIVE_TURNS, -2)
        page = await told_by(metrics, {TURNS_STORED: {("running",): 3, ("queued",): 0}})
        assert value_of(page, 'convo_model_tokens_total{kind="input",model="m"}') == 12
        assert value_of(page, 'convo_turn_duration_seconds_bucket{le="0.25",outcome="completed"}') == 0
        assert value_of(page, 'convo_turn_duration_seconds_bucket{le="0.5",outcome="completed"}') == 1
        assert value_of(page, 'convo_turn_duration_seconds_sum{outcome="completed"}') == 0.3
        assert value_of(page, "convo_active_turns") == 3
        assert value_of(page, 'convo_turns_stored{state="running"}') == 3

    async def test_engines_of_one_process_count_for_themselves(self) -> None:
        one, other = Metrics(), Metrics()
        one.add(TURNS, "failed", "x")
        assert value_of(await told_by(one), 'convo_turns_total{outcome="failed",type="other"}') == 1
        assert 'type="other"' not in await told_by(other)


Sit = Callable[[int], Metrics]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the workers of a server share."""
    monkeypatch.setenv(sharing.FOLDER_VARIABLE, str(tmp_path))
    return tmp_path


@pytest.fixture
def sit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sit]:
    """A new process at a seat: as far as the library can tell, this is one."""
    monkeypatch.setattr(values, "ValueClass", values.ValueClass)

    def begin(seat: int) -> Metrics:
        sharing.take_seat(seat)
        metrics = Metrics()
        metrics.allow("type", ["general"])
        metrics.put(PROCESSES, 1)
        return metrics

    yield begin
    values.close_all_multiprocess_files()  # type: ignore[no-untyped-call]


class TestWorkersThatShareAPort:
    async def test_any_of_them_tells_of_all(self, sit: Sit) -> None:
        first, second = sit(0), sit(1)
        first.add(TURNS, "completed", "general", amount=2)
        second.add(TURNS, "completed", "general", amount=3)
        first.observe(TURN_SECONDS, 0.2, "completed")
        second.observe(TURN_SECONDS, 20, "completed")
        first.put(ACTIVE_TURNS, 4)
        second.put(ACTIVE_TURNS, 6)
        first.put(OPEN_CIRCUITS, 1, "m")
        second.put(OPEN_CIRCUITS, 1, "m")
        for metrics in (first, second):
            page = await told_by(metrics)
            assert value_of(page, 'convo_turns_total{outcome="completed",type="general"}') == 5
            assert value_of(page, 'convo_turn_duration_seconds_bucket{le="0.25",outcome="completed"}') == 1
            assert value_of(page, 'convo_turn_duration_seconds_count{outcome="completed"}') == 2
            assert value_of(page, "convo_active_turns") == 10
            assert value_of(page, "convo_processes") == 2
            assert value_of(page, 'convo_circuit_open{model="other"}') == 1

    async def test_of_one_that_died_the_counts_stay_and_what_it_was_doing_goes(self, sit: Sit, folder: Path) -> None:
        first, second = sit(0), sit(1)
        second.add(TURNS, "completed", "general", amount=3)
        second.put(ACTIVE_TURNS, 6)
        sharing.forget(folder, 1)
        page = await told_by(first)
        assert value_of(page, 'convo_turns_total{outcome="completed",type="general"}') == 3
        assert value_of(page, "convo_active_turns") == 0
        assert value_of(page, "convo_processes") == 1

    async def test_the_one_in_its_place_counts_on_and_no_file_is_added(self, sit: Sit, folder: Path) -> None:
        first, second = sit(0), sit(1)
        first.add(TURNS, "completed", "general")
        second.add(TURNS, "completed", "general", amount=3)
        second.observe(TURN_SECONDS, 0.2, "completed")
        files = sorted(folder.iterdir())
        for _ in range(3):
            sharing.forget(folder, 1)
            again = sit(1)
            again.add(TURNS, "completed", "general")
            again.observe(TURN_SECONDS, 0.2, "completed")
        page = await told_by(first)
        assert value_of(page, 'convo_turns_total{outcome="completed",type="general"}') == 7
        assert value_of(page, 'convo_turn_duration_seconds_count{outcome="completed"}') == 4
        assert value_of(page, "convo_processes") == 2
        assert sorted(folder.iterdir()) == files

    async def test_others_who_count_in_the_folder_are_left_out(self, sit: Sit) -> None:
        metrics = sit(0)
        from prometheus_client import CollectorRegistry
        from prometheus_client import Counter as TheirCounter

        TheirCounter("shop_orders", "Of the product that the engine is in.", registry=CollectorRegistry()).inc()
        assert "shop_orders" not in await told_by(metrics)

    def test_nothing_is_left_when_the_server_has_ended(self) -> None:
        folder, held = sharing.make()
        (folder / "counter_0.db").touch()
        sharing.remove(folder)
        sharing.remove(folder)
        os.close(held)
        assert not folder.exists()

    def test_what_a_server_left_that_was_killed_with_all_workers_goes_with_the_next_start(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        killed, held = sharing.make()
        (killed / "counter_0.db").touch()
        in_worker = os.dup(held)  # a worker has it as long as it lives
        os.close(held)
        others, of_others = sharing.make()
        assert killed.exists()
        os.close(in_worker)
        last, of_last = sharing.make()
        assert not killed.exists()
        assert set(tmp_path.iterdir()) == {others, last}
        os.close(of_others)
        os.close(of_last)


def note(
    metrics: Metrics, metric: Metric, labels: tuple[str, ...], readings: dict[Reading, dict[tuple[str, ...], float]]
) -> None:
    """Something of any kind."""
    match metric:
        case Counter():
            metrics.add(metric, *labels)
        case Histogram():
            metrics.observe(metric, 1, *labels)
        case Gauge():
            metrics.put(metric, 1, *labels)
        case Reading():
            readings[metric] = {labels: 1}
