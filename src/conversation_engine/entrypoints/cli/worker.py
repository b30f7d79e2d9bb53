"""One process of `convo serve`: the only one, or one of several that share a port.

    python -m conversation_engine.entrypoints.cli.worker LISTENER LIFELINE

Both are inherited file descriptors. The lifeline is the reading end of a pipe that only the supervisor holds open: it
ends with the supervisor, however that died, and then the worker stops as if it had been asked to.
"""

import contextlib
import os
import signal
import socket
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from conversation_engine.engine.settings import Settings

APPLICATION: Final = "conversation_engine.entrypoints.http.app:create_app"
STARTUP_FAILURE: Final = 3
"""What uvicorn ends with when the application did not start."""


def serve_until_stopped(settings: "Settings", listener: socket.socket) -> int:
    """Serve until Ctrl-C or SIGTERM; the exit status."""
    import uvicorn

    from conversation_engine.infra.observability import logs

    logs.configure(settings.log_level)  # a server tells what it does, unlike a command

    config = uvicorn.Config(
        APPLICATION,
        factory=True,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=int(settings.grace_seconds) + 1,
    )
    server = uvicorn.Server(config)
    # uvicorn raises the signal again once everything has ended: an asked-for end is a success.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listener])
    return 0 if server.started else STARTUP_FAILURE


def work(listener_fd: int, lifeline_fd: int) -> None:
    """Be a worker of a supervisor, to the end of the process."""
    from conversation_engine.entrypoints.cli.configuration import load_settings

    threading.Thread(target=_stop_when_orphaned, args=(lifeline_fd,), daemon=True).start()
    with socket.socket(fileno=listener_fd) as listener:
        sys.exit(serve_until_stopped(load_settings(), listener))


def _stop_when_orphaned(lifeline_fd: int) -> None:
    os.read(lifeline_fd, 1)  # nothing is ever written: it returns when the other end is gone
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    from conversation_engine.entrypoints.cli.main import run

    run(partial(work, int(sys.argv[1]), int(sys.argv[2])))
