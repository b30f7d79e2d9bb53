"""`convo` in processes that begin with everything imported: forks of one that waits, most of a second sooner each.

`python -m tests.cli.hatchery FD` reads orders from the socket FD: the arguments, the environment, and the three ends
that are to be the child's standard input, output and error. It answers with the child's id, then with its exit code.
"""

import array
import atexit
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from conversation_engine.entrypoints.cli.main import run

ROOT = Path(__file__).parents[2]
ORDER_BYTES = 1 << 20
PATIENCE_SECONDS = 60.0


class Hatchery:
    """The process that waits, seen from the tests."""

    def __init__(self) -> None:
        self._socket, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.settimeout(PATIENCE_SECONDS)
        with other:
            command = [sys.executable, "-m", "tests.cli.hatchery", str(other.fileno())]
            self._process = subprocess.Popen(command, cwd=ROOT, pass_fds=[other.fileno()], stdin=subprocess.DEVNULL)

    def run(
        self, arguments: Sequence[str], environment: Mapping[str, str], typed: bytes
    ) -> subprocess.CompletedProcess[str]:
        """Run `convo` to its end with `typed` in its pipe."""
        order = json.dumps({"arguments": list(arguments), "environment": dict(environment)}).encode()
        pipe, typing = os.pipe()
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors, open(pipe, "rb") as reading:
            ends = array.array("i", [reading.fileno(), output.fileno(), errors.fileno()])
            self._socket.sendmsg([order], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, ends)])
            reading.close()
            child = int(self._socket.recv(100))
            with open(typing, "wb") as typist:
                typist.write(typed)
            try:
                exit_code = int(self._socket.recv(100))
            except TimeoutError:
                os.kill(child, signal.SIGKILL)
                raise
            output.seek(0)
            errors.seek(0)
            return subprocess.CompletedProcess(
                ["convo", *arguments], exit_code, stdout=output.read().decode(), stderr=errors.read().decode()
            )

    def close(self) -> None:
        """Let it end."""
        self._socket.close()
        self._process.wait(20)


@functools.cache
def hatchery() -> Hatchery:
    """This process's own, until it ends."""
    one = Hatchery()
    atexit.register(one.close)
    return one


def serve(orders: socket.socket) -> None:
    """Until there are no more orders; returns in each child too, which is then to run what it was ordered."""
    while True:
        order, fds, _flags, _address = socket.recv_fds(orders, ORDER_BYTES, 3)
        if not order:
            sys.exit()
        child = os.fork()
        if child == 0:
            become(json.loads(order), fds)
            orders.close()
            return
        for fd in fds:
            os.close(fd)
        orders.send(str(child).encode())
        orders.send(str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])).encode())


def become(order: Mapping[str, object], fds: Sequence[int]) -> None:
    """Take on what was ordered."""
    for own, given in enumerate(fds):
        os.dup2(given, own)
        os.close(given)
    arguments, environment = order["arguments"], order["environment"]
    assert isinstance(arguments, list)
    assert isinstance(environment, dict)
    sys.argv = ["convo", *arguments]
    os.environ.clear()
    os.environ.update(environment)


if __name__ == "__main__":
    import conversation_engine.engine.engine
    import conversation_engine.entrypoints.http.app  # noqa: F401 - what any command may want

    serve(socket.socket(fileno=int(sys.argv[1])))
    run()
