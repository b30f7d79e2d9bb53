"""Servers in processes of their own, as they run in earnest."""

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
READY_SECONDS = 60.0
_OPTIONS = ("--log-level", "warning", "--no-access-log", "--timeout-keep-alive", "600")


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server that answers on loopback."""

    pid: int
    port: int

    def cpu_seconds(self) -> float:
        """CPU time it has used so far, user and system, all threads."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_kb(self) -> int:
        """Memory it holds."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") // 1024

    def workers(self) -> "list[Server]":
        """The processes that do its work: its children, or itself."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [Server(pid=int(pid), port=self.port) for pid in children] or [self]


def free_port() -> int:
    """A port nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def clean_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """The environment without our settings or proxies, plus `extra`."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("CE_") and not k.lower().endswith("_proxy")}
    return {**kept, **extra}


@contextlib.contextmanager
def asgi_server(app: str, *, path: str, environment: Mapping[str, str], factory: bool = False) -> Iterator[Server]:
    """One uvicorn worker with `app`, ready when GET `path` says 200; stopped on leaving."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        app,
        "--port",
        str(port),
        *_OPTIONS,
        *(["--factory"] if factory else []),
    ]
    # What the product logs costs what it costs, and is thrown away.
    process = subprocess.Popen(command, cwd=ROOT, env=clean_environment(environment), stdout=subprocess.DEVNULL)
    try:
        wait_until_ready(process, port, path)
        yield Server(pid=process.pid, port=port)
    finally:
        stop(process)


def wait_until_ready(process: "subprocess.Popen[bytes]", port: int, path: str) -> None:
    """Return when GET `path` answers 200. Raises RuntimeError when the process ends or takes a minute."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"a server ended with status {process.returncode} before it was ready")
        if _status(port, path) == http.client.OK:
            return
        time.sleep(0.01)
    raise RuntimeError(f"a server was not ready after {READY_SECONDS:.0f} s")


def stop(process: "subprocess.Popen[bytes]") -> None:
    """Ask it to end, and make it end when it does not."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _status(port: int, path: str) -> int | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return None
    finally:
        connection.close()
