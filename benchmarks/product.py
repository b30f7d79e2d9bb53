"""The product as the benchmarks start it."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

from benchmarks.processes import (
    ROOT,
    Server,
    asgi_server,
    clean_environment,
    free_port,
    stop,
    wait_until_ready,
)
from conversation_engine.engine.settings import Settings
from conversation_engine.engine.wiring import make_tokens
from conversation_engine.kernel.clock import SystemClock
from conversation_engine.kernel.ids import UserId
from conversation_engine.kernel.people import Principal, Role

APP = "conversation_engine.entrypoints.http.app:create_app"


def product_environment(data_dir: Path, *, upstream_port: int) -> dict[str, str]:
    """Settings of a server whose model is the stub; everything else as it comes."""
    return {
        "CE_DATA_DIR": str(data_dir),
        "CE_MODEL": "openai/stub",
        "CE_OPENAI_BASE_URL": f"http://127.0.0.1:{upstream_port}/v1",
        "CE_OPENAI_API_KEY": "x",
        "CE_RATE_LIMITS": "off",
        "CE_MODEL_CONTEXT_TOKENS": "8192",  # room for about a hundred of the stub's messages: a long talk fills it
    }


@contextlib.contextmanager
def upstream_server(*, delay_ms: float = 0, first_ms: float = 0) -> Iterator[Server]:
    """The stub model service."""
    environment = {"UPSTREAM_DELAY_MS": str(delay_ms), "UPSTREAM_FIRST_MS": str(first_ms)}
    with asgi_server("benchmarks.upstream:app", path="/", environment=environment) as server:
        yield server


@contextlib.contextmanager
def product_server(data_dir: Path, *, upstream_port: int, more: Mapping[str, str] | None = None) -> Iterator[Server]:
    """One worker of the product, with everything stored; over SQLite unless `more` settings say otherwise."""
    environment = product_environment(data_dir, upstream_port=upstream_port) | dict(more or {})
    with asgi_server(APP, path="/readyz", environment=environment, factory=True) as server:
        yield server


@contextlib.contextmanager
def fleet(data_dir: Path, *, upstream_port: int, workers: int, more: Mapping[str, str]) -> Iterator[Server]:
    """`convo serve` with so many workers: the process that keeps them, or the one that is alone."""
    port = free_port()
    environment = product_environment(data_dir, upstream_port=upstream_port) | dict(more)
    command = [str(Path(sys.executable).parent / "convo"), "serve", "--port", str(port), "--workers", str(workers)]
    process = subprocess.Popen(command, cwd=ROOT, env=clean_environment(environment), stderr=subprocess.DEVNULL)
    try:
        wait_until_ready(process, port, "/readyz")
        yield Server(pid=process.pid, port=port)
    finally:
        stop(process)


def token_for(data_dir: Path) -> str:
    """A token that a server with this data folder accepts."""
    tokens = make_tokens(Settings(data_dir=data_dir), SystemClock())
    return tokens.issue(Principal(user_id=UserId("bench"), role=Role.STUDENT), lifetime=timedelta(hours=1))
