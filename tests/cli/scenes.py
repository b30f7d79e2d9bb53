"""`convo` as a person starts it: in a process of its own, through a pipe or on a terminal; and a slow model for it."""

import fcntl
import http.server
import json
import os
import pty
import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.cli.hatchery import hatchery

CONVO = str(Path(sys.executable).with_name("convo"))
ENDS_WITHIN_SECONDS = 10.0
"""Promised are 5 s; beside other tests on the same cores a server gets as much again."""
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Convo:
    """Runs `convo` with a data folder of its own."""

    data_dir: Path
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """The caller's, with nothing of ours in it but `settings`."""
        outside = {name: value for name, value in os.environ.items() if not name.startswith("CE_")}
        return {**outside, "TERM": "xterm", "CE_DATA_DIR": str(self.data_dir), **self.settings}

    def __call__(self, *arguments: str, typed: str | bytes = "") -> subprocess.CompletedProcess[str]:
        """Run it to its end with `typed` in its pipe."""
        return hatchery().run(arguments, self.environment, typed if isinstance(typed, bytes) else typed.encode())


class Terminal:
    """`convo` on a terminal of 80 by 24."""

    def __init__(self, convo: Convo, *arguments: str) -> None:
        self._main, other = pty.openpty()
        termios.tcsetwinsize(self._main, (24, 80))
        self._seen = ""
        self.process = subprocess.Popen(
            [CONVO, *arguments],
            env=convo.environment,
            stdin=other,
            stdout=other,
            stderr=other,
            start_new_session=True,
            preexec_fn=_take_terminal,
        )
        os.close(other)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def type(self, keys: str) -> None:
        """Press these keys."""
        os.write(self._main, keys.encode())

    def wait_for(self, text: str) -> str:
        """All that was written until `text`, which is waited for; the next call starts after it."""
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while text not in self._seen:
            assert time.monotonic() < give_up_at, f"{text!r} never came; the terminal has {self._seen!r}"
            time.sleep(0.01)
        before, _, self._seen = self._seen.partition(text)
        return before

    def exit_code(self) -> int:
        """How it ended, which is waited for."""
        return self.process.wait(PATIENCE_SECONDS)

    def close(self) -> None:
        """End it, whatever it does."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        os.close(self._main)

    def _read(self) -> None:
        while True:
            try:
                chunk = os.read(self._main, 65536)
            except OSError:  # what Linux says when the last process has closed the terminal
                return
            self._seen += chunk.decode(errors="replace")


def _take_terminal() -> None:
    """Or Ctrl-C would be a mere byte, and ignored where the tests themselves run in the background of a shell."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class SlowModel(http.server.ThreadingHTTPServer):
    """Speaks the OpenAI dialect: `word0 word1 …`, as many as it has, with a pause before each."""

    daemon_threads = True

    def __init__(self, *, words: int, pause_seconds: float) -> None:
        super().__init__(("127.0.0.1", 0), _SlowReply)
        self.words = words
        self.pause_seconds = pause_seconds
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def settings(self) -> dict[str, str]:
        """What makes `convo` ask this model."""
        return {
            "CE_MODEL": "openai/stub",
            "CE_OPENAI_BASE_URL": f"http://127.0.0.1:{self.server_port}/v1",
            "NO_PROXY": "127.0.0.1",
        }


class _SlowReply(http.server.BaseHTTPRequestHandler):
    server: SlowModel

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        try:
            for number in range(self.server.words):
                time.sleep(self.server.pause_seconds)
                self._send({"delta": {"content": f"word{number} "}, "finish_reason": None})
            self._send({"delta": {}, "finish_reason": "stop"})
            self.wfile.write(b"data: [DONE]\n\n")
        except OSError:  # the reply was stopped
            pass

    def log_message(self, format: str, *args: Any) -> None:
        return None

    def _send(self, choice: dict[str, Any]) -> None:
        self.wfile.write(f"data: {json.dumps({'choices': [choice]})}\n\n".encode())
        self.wfile.flush()
