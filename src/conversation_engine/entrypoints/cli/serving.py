"""One process that serves: the only one of `convo serve`, or one of several that share a port."""

import contextlib
import math
import signal
import socket
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from conversation_engine.engine.settings import Settings

APPLICATION: Final = "conversation_engine.entrypoints.http.app:create_app"
LAST_WORDS_SECONDS: Final = 2.0
"""What watchers have, after the grace time, to hear how their turns ended."""
STARTUP_FAILURE: Final = 3
"""What uvicorn ends with when the application did not start."""


def serve_until_stopped(settings: "Settings", listener: socket.socket) -> int:
    """Serve until Ctrl-C or SIGTERM; the exit status."""
    import uvicorn

    from conversation_engine.infra.observability import logs

    logs.configure(settings.log_level, settings.log_format)  # a server tells what it does, unlike a command

    config = uvicorn.Config(
        APPLICATION,
        factory=True,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
        log_config=None if settings.log_format == "ecs" else uvicorn.config.LOGGING_CONFIG,
        timeout_graceful_shutdown=math.ceil(settings.grace_seconds + LAST_WORDS_SECONDS),
    )
    server = uvicorn.Server(config)
    # uvicorn raises the signal again once everything has ended: an asked-for end is a success.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listener])
    return 0 if server.started else STARTUP_FAILURE
