"""Streamed turns with everything stored, beside a proxy that stores nothing, in the same run."""

import contextlib
import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.load import Load, Sample, send_from_a_process
from benchmarks.processes import Server, asgi_server
from benchmarks.product import product_server, token_for, upstream_server
from benchmarks.table import Bar, print_table

ROUNDS = 3
TURNS = {1: 150, 16: 30}
"""Turns a connection, by the number of connections."""
LEAST_SHARE = 0.2
MOST_FIRST_TOKEN = 5.0
MOST_GROWTH = 1.5
"""Last fifth over first fifth of 150 turns: what is sent to the model grows from 1 to 100 messages meanwhile."""


@dataclass(slots=True)
class _Runs:
    """Rounds of one server at one number of connections."""

    samples: list[Sample] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    """The server's CPU a turn, one entry a round: what a busy machine distorts least."""

    def take(self, server: Server, load: Load) -> None:
        before = server.cpu_seconds()
        self.samples.append(send_from_a_process(load))
        turns = load.connections * load.turns
        self.cpu_ms.append((server.cpu_seconds() - before) * 1000 / turns)

    def rate(self) -> float:
        return statistics.median(sample.rate for sample in self.samples)

    def first_token_ms(self, share: float) -> float:
        return statistics.median(_quantile(sample.first_tokens, share) for sample in self.samples) * 1000

    def early_first_token_ms(self) -> float:
        """The median of the first fifth of the conversation's turns."""
        early = (
            seconds
            for sample in self.samples
            for seconds, is_early in zip(sample.first_tokens, sample.is_early, strict=True)
            if is_early
        )
        return statistics.median(early) * 1000

    def growth(self) -> float:
        return statistics.median(_growth(sample) for sample in self.samples)


@contextlib.contextmanager
def servers(data_dir: Path) -> Iterator[tuple[Server, Server]]:
    """The floor and the product, over one upstream."""
    with contextlib.ExitStack() as stack:
        upstream = stack.enter_context(upstream_server())
        environment = {"UPSTREAM_PORT": str(upstream.port)}
        floor = stack.enter_context(asgi_server("benchmarks.stream_floor:app", path="/", environment=environment))
        yield floor, stack.enter_context(product_server(data_dir, upstream_port=upstream.port))


def measure(is_tiny: bool) -> list[Bar]:
    """Print turns a second and the time to the first token, at one and at sixteen connections."""
    rounds, turns_by_connections = (1, {1: 5, 2: 5}) if is_tiny else (ROUNDS, TURNS)
    runs = {(name, count): _Runs() for count in turns_by_connections for name in ("floor", "ours")}
    with tempfile.TemporaryDirectory() as folder, servers(Path(folder)) as (floor, ours):
        token = token_for(Path(folder))
        loads = {
            (server.port, count): Load(port=server.port, connections=count, turns=turns, token=whose)
            for server, whose in ((floor, None), (ours, token))
            for count, turns in turns_by_connections.items()
        }
        for server, whose in ((floor, None), (ours, token)):
            send_from_a_process(Load(port=server.port, connections=2, turns=3, token=whose))
        for _ in range(rounds):
            for count in turns_by_connections:
                for name, server in (("floor", floor), ("ours", ours)):
                    runs[name, count].take(server, loads[server.port, count])
    _print(runs, list(turns_by_connections))
    return _bars(runs, list(turns_by_connections))


def _print(runs: dict[tuple[str, int], _Runs], counts: list[int]) -> None:
    rows = []
    for count in counts:
        floor, ours = runs["floor", count], runs["ours", count]
        for name, run in (("pass-through, nothing stored", floor), ("ours, everything stored", ours)):
            rows.append(
                [
                    name,
                    str(count),
                    f"{run.rate():.0f}",
                    f"{run.rate() / floor.rate():.2f}",
                    f"{run.first_token_ms(0.5):.2f}",
                    f"{run.first_token_ms(0.95):.2f}",
                    f"{run.first_token_ms(0.5) / floor.first_token_ms(0.5):.1f}",
                    f"{run.growth():.2f}",
                    f"{statistics.median(run.cpu_ms):.2f}",
                ]
            )
    header = [
        "one worker, 64 chunks",
        "conn.",
        "turns/s",
        "share",
        "first p50 ms",
        "p95 ms",
        "× floor",
        "last/first fifth",
        "CPU ms/turn",
    ]
    print_table("streaming: turns a second and the time to the first token", header, rows)


def _bars(runs: dict[tuple[str, int], _Runs], counts: list[int]) -> list[Bar]:
    shares = [
        Bar(
            name=f"share of the floor's turns/s at {count} connections",
            measured=runs["ours", count].rate() / runs["floor", count].rate(),
            limit=LEAST_SHARE,
            is_ceiling=False,
        )
        for count in counts
    ]
    ours, floor = runs["ours", 1], runs["floor", 1]
    first = ours.early_first_token_ms() / floor.early_first_token_ms()
    return [
        *shares,
        Bar(name="first token at 1 connection, first fifth", measured=first, limit=MOST_FIRST_TOKEN, unit=" × floor"),
        Bar(name="last fifth over first fifth at 1 connection", measured=ours.growth(), limit=MOST_GROWTH, unit=" ×"),
    ]


def _growth(sample: Sample) -> float:
    late = statistics.median(s for s, is_late in zip(sample.latencies, sample.is_late, strict=True) if is_late)
    early = statistics.median(s for s, is_early in zip(sample.latencies, sample.is_early, strict=True) if is_early)
    return late / early


def _quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]
