"""What is shipped under `deploy/`: it speaks of metrics that there are, and Prometheus' own tools take it."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conversation_engine.infra.observability.catalogue import CATALOGUE
from conversation_engine.infra.observability.recording import Counter, Histogram, Metric

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "alerts.yml"
RULE_TESTS = DEPLOY / "prometheus" / "alerts_test.yml"
DASHBOARD = DEPLOY / "grafana" / "conversation-engine.json"
OF_PROMETHEUS = {"le", "job", "instance"}

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed: apt install prometheus"
)


def series_of(metric: Metric) -> set[str]:
    """What Prometheus calls them."""
    if isinstance(metric, Counter):
        return {f"{metric.name}_total"}
    if isinstance(metric, Histogram):
        return {f"{metric.name}_bucket", f"{metric.name}_count", f"{metric.name}_sum"}
    return {metric.name}


SERIES = {name: metric for metric in CATALOGUE for name in series_of(metric)}


def queries_of(dashboard: dict[str, Any]) -> Iterator[str]:
    for panel in dashboard["panels"]:
        yield from (target["expr"] for target in panel.get("targets", []))


def alerts_of(text: str) -> list[tuple[str, str]]:
    """Names and expressions."""
    return re.findall(r"- alert: (\w+)\n\s+expr: >-\n\s+(.+)\n", text)


def check_names(query: str) -> None:
    """Every metric of a query is in the catalogue, and has every label that it is asked for by."""
    metrics = [SERIES[name] for name in re.findall(r"\bconvo_\w+", query)]
    asked = {name.strip() for group in re.findall(r"\bby \(([^)]*)\)", query) for name in group.split(",")}
    asked |= set(re.findall(r"[{,]\s*(\w+)\s*=~?", query))
    assert asked <= OF_PROMETHEUS | {label.name for metric in metrics for label in metric.labels}, query


def promtool(*arguments: str | Path, page: bytes | None = None) -> str:
    done = subprocess.run(["promtool", *map(str, arguments)], input=page, capture_output=True, timeout=60)
    told = done.stdout.decode() + done.stderr.decode()
    assert done.returncode == 0, told
    return told


class TestAlerts:
    def test_they_ask_for_what_there_is(self) -> None:
        alerts = alerts_of(RULES.read_text())
        assert len(alerts) == RULES.read_text().count("alert:") > 15
        for _, query in alerts:
            check_names(query)

    def test_each_is_tried_when_it_should_fire_and_when_not(self) -> None:
        tried = re.findall(r"alertname: (\w+)\n(?:\s+(exp_alerts))?", RULE_TESTS.read_text())
        for name, _ in alerts_of(RULES.read_text()):
            assert sorted(expected for tried_name, expected in tried if tried_name == name) == ["", "exp_alerts"], name

    @needs_promtool
    def test_promtool_takes_the_configuration_and_the_rules_pass_their_tests(self) -> None:
        assert "SUCCESS" in promtool("check", "config", DEPLOY / "prometheus" / "prometheus.yml")
        assert "SUCCESS" in promtool("test", "rules", RULE_TESTS)


class TestTheDashboard:
    def test_it_shows_every_metric_and_asks_for_no_other(self) -> None:
        queries = list(queries_of(json.loads(DASHBOARD.read_text())))
        for query in queries:
            check_names(query)
        shown = {SERIES[name].name for query in queries for name in re.findall(r"\bconvo_\w+", query)}
        assert shown == {metric.name for metric in CATALOGUE}

    def test_panels_have_places_of_their_own(self) -> None:
        panels = json.loads(DASHBOARD.read_text())["panels"]
        assert len({panel["id"] for panel in panels}) == len(panels)
        taken: set[tuple[int, int]] = set()
        for panel in panels:
            place = panel["gridPos"]
            assert place["x"] + place["w"] <= 24
            cells = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            assert not cells & taken, panel["title"]
            taken |= cells

    @needs_promtool
    def test_promtool_understands_its_queries(self, tmp_path: Path) -> None:
        lines = ["groups:", "- name: dashboard", "  rules:"]
        for number, query in enumerate(queries_of(json.loads(DASHBOARD.read_text()))):
            lines += [f"  - record: query_{number}", f"    expr: {json.dumps(filled(query))}"]
        rules = tmp_path / "dashboard.yml"
        rules.write_text("\n".join(lines))
        promtool("check", "rules", rules)


def filled(query: str) -> str:
    """With Grafana's variables as it would put them in."""
    return query.replace("$__rate_interval", "1m").replace("$job", ".*").replace("$instance", ".*")
