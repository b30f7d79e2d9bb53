"""What the OpenAI dialect costs over our own routes: the same streamed turns in both, in turn, on one server."""

import statistics
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.load import Load, Sample, send_from_a_process
from benchmarks.product import product_server, token_for, upstream_server
from benchmarks.table import Bar, print_table

ROUNDS = 5
CONNECTIONS = 8
TURNS = 40
MOST_OVERHEAD = 1.1


@dataclass(slots=True)
class _Side:
    """Rounds of one language."""

    samples: list[Sample] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    """The server's CPU a turn, one entry a round."""


def measure(is_tiny: bool) -> list[Bar]:
    """Print the server's CPU a turn and turns a second, in our own words and in the dialect's."""
    rounds, connections, turns = (1, 2, 5) if is_tiny else (ROUNDS, CONNECTIONS, TURNS)
    sides = {is_dialect: _Side() for is_dialect in (False, True)}
    with tempfile.TemporaryDirectory() as folder, upstream_server() as upstream:
        data_dir = Path(folder)
        with product_server(data_dir, upstream_port=upstream.port) as server:
            token = token_for(data_dir)
            for number in range(rounds + 1):  # the first one warms up
                for is_dialect in (False, True) if number % 2 else (True, False):
                    load = Load(
                        port=server.port, connections=connections, turns=turns, token=token, is_dialect=is_dialect
                    )
                    before = server.cpu_seconds()
                    sample = send_from_a_process(load)
                    if number or is_tiny:
                        sides[is_dialect].samples.append(sample)
                        sides[is_dialect].cpu_ms.append((server.cpu_seconds() - before) * 1000 / connections / turns)
    rows = [
        [name, f"{statistics.median(side.cpu_ms):.2f}", f"{_rate(side):.0f}", f"{_growth(side):.2f}"]
        for name, side in (("our own turns", sides[False]), ("/v1/responses", sides[True]))
    ]
    header = [f"{connections} connections, 64 chunks", "CPU ms/turn", "turns/s", "last/first fifth"]
    print_table("dialects: the same turns in two languages", header, rows)
    own, theirs = sides[False], sides[True]
    overhead = statistics.median(b / a for a, b in zip(own.cpu_ms, theirs.cpu_ms, strict=True))
    return [Bar(name="CPU of a turn in the dialect", measured=overhead, limit=MOST_OVERHEAD, unit=" × our own")]


def _rate(side: _Side) -> float:
    return statistics.median(sample.rate for sample in side.samples)


def _growth(side: _Side) -> float:
    def of(sample: Sample) -> float:
        late = statistics.median(s for s, is_it in zip(sample.latencies, sample.is_late, strict=True) if is_it)
        return late / statistics.median(s for s, is_it in zip(sample.latencies, sample.is_early, strict=True) if is_it)

    return statistics.median(map(of, side.samples))
