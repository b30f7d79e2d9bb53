"""Keeps the worker processes of `convo serve --workers N` alive until it is asked to stop.

Ours rather than uvicorn's: that one starts a worker which cannot start again and again, without a pause, and leaves
its workers behind when it is killed.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from conversation_engine.infra.observability import logs, sharing

if TYPE_CHECKING:
    from conversation_engine.engine.settings import Settings

PROCESS: Final = "conversation_engine.entrypoints.cli.worker_process"
LOOK_SECONDS: Final = 0.05
STOP_MARGIN_SECONDS: Final = 2.5
"""What a worker may take beyond CE_GRACE_SECONDS to end by itself."""
FIRST_PAUSE_SECONDS: Final = 0.1
LONGEST_PAUSE_SECONDS: Final = 5.0
"""Pauses before a worker is started again double up to this while it keeps dying young."""
GROWN_UP_SECONDS: Final = 10.0
_log = logs.get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class _Seat:
    """A worker's place: one process after another sits there."""

    number: int
    process: "subprocess.Popen[bytes]"
    started_at: float
    is_first: bool = True
    pause_seconds: float = 0.0
    restart_at: float | None = None
    """When the next one is started, on the monotonic clock, if the last one is dead."""


def keep_workers(settings: "Settings", listener: socket.socket) -> int:
    """Run `settings.workers` processes on `listener` until Ctrl-C or SIGTERM; the exit status.

    A worker that dies is started again. One that cannot start the first time ends all of them: the reason would be
    the same for each. A second Ctrl-C does not wait for replies.
    """
    logs.configure(settings.log_level, settings.log_format)
    supervisor = _Supervisor(listener, grace_seconds=settings.grace_seconds, notes=sharing.make())
    previous = {number: signal.signal(number, supervisor.hear) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        return supervisor.run(settings.workers)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


class _Supervisor:
    def __init__(self, listener: socket.socket, *, grace_seconds: float, notes: tuple[Path, int]) -> None:
        """`notes`: the folder in which the workers count together, and what says that it is theirs."""
        self._listener = listener
        self._grace_seconds = grace_seconds
        self._notes, self._notes_held = notes
        self._lifeline, self._held = os.pipe()
        self._requests = 0
        """How often it was asked to stop."""

    def hear(self, number: int, _frame: object) -> None:
        """Handle a signal: ask for the end; a second Ctrl-C asks for it at once."""
        self._requests += 1 if number == signal.SIGINT or not self._requests else 0

    def run(self, workers: int) -> int:
        seats = [
            _Seat(number=number, process=self._start(number), started_at=time.monotonic()) for number in range(workers)
        ]
        try:
            status = 0
            while not self._requests and not status:
                status = max(self._look_after(seat) for seat in seats)
                time.sleep(LOOK_SECONDS)
            return status
        finally:
            self._stop([seat.process for seat in seats])

    def _look_after(self, seat: _Seat) -> int:
        """Start its next process if it is time; not 0 when there is no point in going on."""
        now = time.monotonic()
        if seat.restart_at is not None:
            if now >= seat.restart_at:
                seat.process, seat.started_at, seat.restart_at = self._start(seat.number), now, None
            return 0
        status = seat.process.poll()
        if status is None:
            return 0
        sharing.forget(self._notes, seat.number)
        is_young = now - seat.started_at < GROWN_UP_SECONDS
        if status > 0 and is_young and seat.is_first:
            return status
        longer = min(max(seat.pause_seconds * 2, FIRST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)
        seat.pause_seconds = longer if is_young else FIRST_PAUSE_SECONDS
        seat.is_first, seat.restart_at = False, now + seat.pause_seconds
        _log.warning("worker.died", pid=seat.process.pid, status=status, pause_seconds=seat.pause_seconds)
        return 0

    def _start(self, seat: int) -> "subprocess.Popen[bytes]":
        descriptors = (self._listener.fileno(), self._lifeline)
        return subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-P", "-m", PROCESS, *map(str, descriptors), str(seat)],
            env={**os.environ, sharing.FOLDER_VARIABLE: str(self._notes)},
            pass_fds=(*descriptors, self._notes_held),
            stdin=subprocess.DEVNULL,
            # Out of the terminal's group: a worker that heard Ctrl-C itself and our SIGTERM would stop half-way.
            process_group=0,
        )

    def _stop(self, processes: "list[subprocess.Popen[bytes]]") -> None:
        """Let replies end, then make every process end. Nobody may wait at a port that no worker answers any more."""
        self._listener.close()
        for process in processes:
            process.terminate()
        give_up_at = time.monotonic() + self._grace_seconds + STOP_MARGIN_SECONDS
        while any(process.poll() is None for process in processes):
            if time.monotonic() > give_up_at or self._requests > 1:
                for process in processes:
                    process.kill()
            time.sleep(LOOK_SECONDS)
        os.close(self._held)
        os.close(self._lifeline)
        sharing.remove(self._notes)
        os.close(self._notes_held)
