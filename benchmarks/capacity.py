"""How many people can be answered at once: paced conversations against 1 and 2 workers of `convo serve`.

PostgreSQL and Valkey, and a model service in a process of its own that takes its time, all on this machine, as are the
people. `python -m benchmarks.capacity --data FOLDER` replays what people asked in the `*.jsonl` and `*.jsonl.gz` files
of a folder (a line is `{"messages": [{"role", "content"}, …]}`) instead of the small sample below.
"""

import argparse
import contextlib
import gzip
import json
import math
import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Final

from benchmarks.processes import Server
from benchmarks.product import fleet, token_for, upstream_server
from benchmarks.signals import valkey_server
from benchmarks.stores import postgres_store
from benchmarks.table import Bar, print_table
from benchmarks.users import Users, heard_by, hold_from_a_process

WORKERS = (1, 2)
STEPS = (10, 20, 40, 80, 120, 160, 240, 320)
"""Users; the next step is tried as long as the bar is held."""
MOST_OVERHEAD_MS = 50.0
WARMING_USERS = 4
"""For each worker: connections are shared out by chance."""
SHORTEST_TALK = 3
LONGEST_TALK = 20
MOST_TALKS = 500
"""Of a file."""
QUESTION_CHARACTERS = 2000
SAMPLE: Final = (
    (
        "I want to learn to bake bread. Where do I begin?",
        "Which flour should I take for it?",
        "And how long does it have to rest?",
        "My kitchen is rather cold. Does that matter?",
        "What if I leave it in the fridge over night?",
        "Thank you. One more thing: can I freeze it?",
    ),
    (
        "Our train was two hours late and we missed the ferry. What can we ask for?",
        "It was on one ticket.",
        "Who do I write to, the railway or the ferry?",
        "Draft a short letter, please.",
        "Make it a little friendlier.",
    ),
    (
        "Explain recursion to somebody who has never written a program.",
        "An example from the kitchen, perhaps?",
        "And what happens when it never ends?",
        "How would that look in Python?",
    ),
    (
        "My daughter is afraid of the first day at her new school.",
        "She is seven.",
        "She says that nobody will talk to her.",
        "What could we do the evening before?",
        "That is good. What should I rather not say?",
        "And if she cries at the gate?",
        "Thanks, that helps.",
    ),
    (
        "Compare renting and buying a small flat over ten years.",
        "Take a price of 240,000 and a rent of 900 a month.",
        "You forgot repairs.",
        "What if interest goes up by a point?",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast the model and the people are."""

    first_ms: float
    """The model's first word."""
    chunk_ms: float
    """Between two of a reply's 64 chunks."""
    think_seconds: float
    ramp_seconds: float
    """About as long as a question, its reply and the thinking after it take."""
    seconds: float
    warming_seconds: float


PACE: Final = Pace(first_ms=500, chunk_ms=50, think_seconds=3.0, ramp_seconds=7.0, seconds=20.0, warming_seconds=8.0)
TINY: Final = Pace(first_ms=10, chunk_ms=0, think_seconds=0.05, ramp_seconds=0.1, seconds=1.0, warming_seconds=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    users: int
    streams: float
    turns_a_second: float
    overhead_ms: tuple[float, float, float]
    """Median, p95, p99."""
    cores: float
    """Of CPU that the workers took."""
    grown_kb: int
    """Memory of the workers at its most, over that before the first user."""


def measure(is_tiny: bool) -> list[Bar]:
    """With the sample; see `main` for others."""
    talks = [list(talk) for talk in SAMPLE]
    return run(talks, TINY, workers=(1,), steps=(2,)) if is_tiny else run(talks)


def run(
    talks: list[list[str]], pace: Pace = PACE, *, workers: Sequence[int] = WORKERS, steps: Sequence[int] = ()
) -> list[Bar]:
    """Print a table for each number of workers: of these `steps`, or of `STEPS` up to the first that misses the bar.

    Returns no bars: what is enough depends on who asks.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for count in workers:
        held: list[_Step] = []
        with _servers(count, pace) as (server, token):
            crowd = Users(
                port=server.port,
                token=token,
                count=count * WARMING_USERS,
                seconds=pace.warming_seconds,
                ramp_seconds=0,
                think_seconds=0,
                talks=talks,
            )
            if pace.warming_seconds:  # what is loaded or grown once is no cost of a stream
                heard_by(hold_from_a_process(crowd))
            idle_kb = _resident_kb(server)
            for users in steps or STEPS:
                crowd = replace(
                    crowd,
                    count=users,
                    seconds=pace.seconds,
                    ramp_seconds=pace.ramp_seconds,
                    think_seconds=pace.think_seconds,
                )
                held.append(_held(server, crowd, idle_kb))
                if not steps and not held[-1].overhead_ms[1] <= MOST_OVERHEAD_MS:
                    break
        _print(count, held)
    return []


def talks_in(folder: Path) -> list[list[str]]:
    """What people asked in the files of a folder, in order. Raises SystemExit where there is nothing."""
    talks: list[list[str]] = []
    for path in sorted([*folder.glob("*.jsonl"), *folder.glob("*.jsonl.gz")]):
        with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
            talks += islice(filter(None, map(_asked, lines)), MOST_TALKS)
    if not talks:
        raise SystemExit(f"There are no conversations in {folder}.")
    return talks


def _asked(line: str) -> list[str]:
    """What a user asks in a conversation; nothing where it is too short."""
    said = json.loads(line).get("messages", [])
    asked = [one["content"][:QUESTION_CHARACTERS] for one in said if one["role"] == "user" and one["content"]]
    return asked[:LONGEST_TALK] if len(asked) >= SHORTEST_TALK else []


@contextlib.contextmanager
def _servers(workers: int, pace: Pace) -> Iterator[tuple[Server, str]]:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        upstream = stack.enter_context(upstream_server(delay_ms=pace.chunk_ms, first_ms=pace.first_ms))
        more = {
            "CE_DATABASE_URL": stack.enter_context(postgres_store()).url,
            "CE_VALKEY_URL": stack.enter_context(valkey_server()),
            "CE_LOG_FORMAT": "ecs",
            "CE_PROVIDER_CONCURRENCY": "0",  # how much a real service takes is not ours to measure
        }
        server = stack.enter_context(fleet(folder, upstream_port=upstream.port, workers=workers, more=more))
        yield server, token_for(folder)


def _held(server: Server, crowd: Users, idle_kb: int) -> _Step:
    before, most_kb = _cpu_seconds(server), 0
    process, began = hold_from_a_process(crowd), time.monotonic()
    while process.poll() is None:
        most_kb = max(most_kb, _resident_kb(server))
        time.sleep(0.2)
    heard, took = heard_by(process), time.monotonic() - began
    times = sorted(one * 1000 for one in heard.overheads)
    return _Step(
        users=crowd.count,
        streams=heard.streams,
        turns_a_second=heard.turns / crowd.seconds,
        overhead_ms=(_quantile(times, 0.5), _quantile(times, 0.95), _quantile(times, 0.99)),
        cores=(_cpu_seconds(server) - before) / took,
        grown_kb=most_kb - idle_kb,
    )


def _cpu_seconds(server: Server) -> float:
    return sum(worker.cpu_seconds() for worker in server.workers())


def _resident_kb(server: Server) -> int:
    return sum(worker.resident_kb() for worker in server.workers())


def _quantile(values: Sequence[float], share: float) -> float:
    return values[math.ceil(share * len(values)) - 1] if values else math.nan


def _print(workers: int, held: Sequence[_Step]) -> None:
    rows = [
        [
            str(step.users),
            f"{step.streams:.0f}",
            f"{step.turns_a_second:.1f}",
            *(f"{one:.0f}" for one in step.overhead_ms),
            f"{step.cores:.2f}",
            f"{step.grown_kb / max(step.streams, 1):.0f}",
        ]
        for step in held
    ]
    header = ["users", "streams", "turns/s", "overhead p50 ms", "p95", "p99", "cores", "kB a stream"]
    print_table(f"capacity, {workers} worker(s): PostgreSQL and Valkey, everything on this machine", header, rows)


def main() -> None:
    """Replay what people asked in a folder's files."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.capacity", description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of conversations; unset: a small sample")
    parser.add_argument("--users", type=int, nargs="+", default=[], help="all of these, whatever p95 is")
    parser.add_argument("--workers", type=int, nargs="+", default=WORKERS)
    chosen = parser.parse_args()
    talks = [list(talk) for talk in SAMPLE] if chosen.data is None else talks_in(chosen.data)
    run(talks, workers=chosen.workers, steps=chosen.users)


if __name__ == "__main__":
    main()
