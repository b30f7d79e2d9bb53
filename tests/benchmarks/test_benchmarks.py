"""The benchmarks run. Whether they hold their bars is for `make bench` to say, on a quiet machine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CE_")}
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=110, check=False)


class TestBenchmarks:
    @pytest.mark.parametrize(
        ("name", "says"),
        [
            pytest.param("persistence", "persistence on PostgreSQL: flatness", marks=pytest.mark.postgres),
            ("streaming", "streaming: turns a second"),
            ("cpu_per_chunk", "whole server"),
            ("model_stream", "200 messages beside 20"),
            ("startup", "server answers /readyz"),
            ("resume", "statements of a resumption"),
            ("watchers", "kB a watcher"),
            pytest.param("signals", "NOTIFY", marks=[pytest.mark.postgres, pytest.mark.valkey]),
            pytest.param("windows", "the index of words on PostgreSQL", marks=pytest.mark.postgres),
            ("profile_turn", "function calls"),
        ],
    )
    def test_each_runs_at_its_smallest_size(self, name: str, says: str) -> None:
        done = run(name, "--tiny")
        assert done.returncode == 0, done.stderr
        assert says in done.stdout

    def test_an_unknown_name_is_refused_with_the_known_ones(self) -> None:
        done = run("nonsense")
        assert done.returncode == 2
        assert "nonsense" in done.stderr
