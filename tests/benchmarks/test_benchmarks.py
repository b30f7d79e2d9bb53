"""The benchmarks run. Whether they hold their bars is for `make bench` to say, on a quiet machine."""

from collections.abc import Iterator

import pytest
import structlog

from benchmarks.__main__ import MEASURES, TOOLS, main
from tests.ui.chromium import EXECUTABLE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
SAYS = {
    "persistence": "persistence on PostgreSQL: flatness",
    "streaming": "streaming: turns a second",
    "cpu_per_chunk": "whole server",
    "model_stream": "200 messages beside 20",
    "dialects": "the same turns in two languages",
    "startup": "server answers /readyz",
    "resume": "statements of a resumption",
    "watchers": "kB a watcher",
    "cancels": "connection is closed",
    "signals": "SQLite, Valkey",
    "windows": "the index of words on PostgreSQL",
    "insights": "insights, postgresql",
    "retrieval": "postgresql, 2000 passages",
    "profile_turn": "function calls",
    "first_words": "first words: one person",
    "importing": "importing: a ChatGPT export",
    "capacity": "capacity, 1 worker",
}

NEEDS = {"first_words": pytest.mark.skipif(EXECUTABLE is None, reason="there is no Chromium here")}


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Benchmarks run quietly; the tests after them do not."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


class TestBenchmarks:
    @pytest.mark.postgres
    @pytest.mark.valkey
    @pytest.mark.parametrize("name", [pytest.param(name, marks=NEEDS.get(name, ())) for name in MEASURES | TOOLS])
    def test_each_runs_at_its_smallest_size(self, name: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert main([name, "--tiny"]) == 0
        assert SAYS[name] in capsys.readouterr().out

    def test_an_unknown_name_is_refused_with_the_known_ones(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as left:
            main(["nonsense"])
        assert left.value.code == 2
        assert "nonsense" in capsys.readouterr().err
