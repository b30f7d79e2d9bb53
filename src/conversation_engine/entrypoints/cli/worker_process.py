"""One of several processes of `convo serve` that share a port; `workers.py` starts it.

    python -m conversation_engine.entrypoints.cli.worker_process LISTENER LIFELINE SEAT

The first two are inherited file descriptors; the seat is where it counts, see `infra.observability.sharing`. The
lifeline is the reading end of a pipe that only the supervisor holds open: it
ends with the supervisor, however that died, and then the worker stops as if it had been asked to.
"""

import os
import signal
import socket
import sys
import threading
from functools import partial

from conversation_engine.entrypoints.cli.configuration import load_settings
from conversation_engine.entrypoints.cli.main import run
from conversation_engine.entrypoints.cli.serving import serve_until_stopped
from conversation_engine.infra.observability import sharing


def work(listener_fd: int, lifeline_fd: int, seat: int) -> None:
    """Serve to the end of the process."""
    sharing.take_seat(seat)
    threading.Thread(target=_stop_when_orphaned, args=(lifeline_fd,), daemon=True).start()
    with socket.socket(fileno=listener_fd) as listener:
        sys.exit(serve_until_stopped(load_settings(), listener))


def _stop_when_orphaned(lifeline_fd: int) -> None:
    os.read(lifeline_fd, 1)  # nothing is ever written: it returns when the other end is gone
    os.kill(os.getpid(), signal.SIGTERM)
    sharing.remove_shared()  # the supervisor cannot any more


if __name__ == "__main__":
    run(partial(work, *map(int, sys.argv[1:4])))
