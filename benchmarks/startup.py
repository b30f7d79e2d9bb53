"""How long it takes to begin."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.processes import ROOT, clean_environment, free_port, stop, wait_until_ready
from benchmarks.product import APP, product_environment
from benchmarks.table import Bar, print_table

RUNS = 5


def measure(is_tiny: bool) -> list[Bar]:
    """Print the medians of fresh processes: importing the library, the CLI's help, a server that is ready."""
    cases: dict[str, tuple[Callable[[], float], float]] = {
        "import conversation_engine": (_import_seconds, 0.4),
        "convo --help": (_help_seconds, 0.5),
        "server answers /readyz": (_ready_seconds, 3.0),
    }
    times: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(1 if is_tiny else RUNS):
        for name, (seconds, _limit) in cases.items():
            times[name].append(seconds())
    bars = [
        Bar(name=name, measured=statistics.median(times[name]), limit=limit, unit=" s")
        for name, (_, limit) in cases.items()
    ]
    rows = [[bar.name, f"{min(times[bar.name]):.2f}", f"{bar.measured:.2f}", f"{bar.limit:g}"] for bar in bars]
    print_table("startup: fresh processes, seconds", ["", "fastest", "median", "bar"], rows)
    return bars


def _run_seconds(*command: str) -> float:
    started = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, env=clean_environment({}), capture_output=True, check=False)
    if done.returncode:
        print(done.stderr.decode().strip().splitlines()[-1:], file=sys.stderr)
        return float("nan")
    return time.perf_counter() - started


def _import_seconds() -> float:
    return _run_seconds(sys.executable, "-c", "import conversation_engine")


def _help_seconds() -> float:
    return _run_seconds(os.path.join(os.path.dirname(sys.executable), "convo"), "--help")


def _ready_seconds() -> float:
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        environment = product_environment(Path(folder), upstream_port=free_port())
        command = [sys.executable, "-m", "uvicorn", APP, "--factory", "--port", str(port), "--log-level", "warning"]
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT, env=clean_environment(environment))
        try:
            wait_until_ready(process, port, "/readyz")
            return time.perf_counter() - started
        finally:
            stop(process)
