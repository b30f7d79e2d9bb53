"""Where the lines of a chat come from, and what Ctrl-C does meanwhile."""

import contextlib
import io
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType, TracebackType
from typing import Final, Protocol, Self

PROMPT: Final = "> "
HISTORY_LINES: Final = 1000
_BOLD_PROMPT: Final = f"\001\033[1;36m\002{PROMPT}\001\033[0m\002"
"""Readline counts what stands between \\001 and \\002 as zero columns wide."""
_HINT: Final = "(Ctrl-C again, Ctrl-D or /quit leaves)"


class Lines(Protocol):
    """A source of lines, a context manager while it is in use."""

    is_pipe: bool

    def read(self) -> str | None:
        """The next line, without its end; `None` when there are no more."""
        ...

    def interrupts(self, stop: Callable[[], None]) -> contextlib.AbstractContextManager[None]:
        """While a line is handled, Ctrl-C calls `stop`, which must not wait; a second one gives up at once."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


class PipeLines:
    """Standard input, one line a turn."""

    is_pipe = True

    def read(self) -> str | None:
        line = sys.stdin.readline()
        return line.rstrip("\r\n") if line else None

    @contextlib.contextmanager
    def interrupts(self, stop: Callable[[], None]) -> Iterator[None]:
        was_interrupted = False

        def note() -> None:
            nonlocal was_interrupted
            was_interrupted = True
            stop()

        with _on_interrupt(note):
            yield
        if was_interrupted:  # the reply is stopped and kept; nobody wants the lines that follow
            raise KeyboardInterrupt

    def __enter__(self) -> Self:
        if isinstance(sys.stdin, io.TextIOWrapper):
            sys.stdin.reconfigure(errors="replace")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        return None


class KeyboardLines:
    """A prompt with line editing, and a history that lasts."""

    is_pipe = False

    def __init__(self, history: Path) -> None:
        """`history` is made, for its owner alone, if it is missing."""
        self._history = history
        self._has_hinted = False

    def read(self) -> str | None:
        while True:
            try:
                line = input(_BOLD_PROMPT)
            except EOFError:
                print()
                return None
            except KeyboardInterrupt:
                print()
                if self._has_hinted:
                    return None
                self._has_hinted = True
                print(_HINT, file=sys.stderr)
            else:
                self._has_hinted = False
                return line

    @contextlib.contextmanager
    def interrupts(self, stop: Callable[[], None]) -> Iterator[None]:
        with _on_interrupt(stop), _keys_unseen():
            yield

    def __enter__(self) -> Self:
        with contextlib.suppress(ImportError, OSError):
            import readline

            self._history.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(self._history, os.O_WRONLY | os.O_CREAT, 0o600))
            readline.read_history_file(self._history)
            readline.set_history_length(HISTORY_LINES)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with contextlib.suppress(ImportError, OSError):
            import readline

            readline.write_history_file(self._history)


@contextlib.contextmanager
def _on_interrupt(stop: Callable[[], None]) -> Iterator[None]:
    def first(_signal: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        stop()

    previous = signal.signal(signal.SIGINT, first)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


@contextlib.contextmanager
def _keys_unseen() -> Iterator[None]:
    """Do not echo what is typed while a reply is drawn: it would tear it. The next prompt shows it."""
    try:
        import termios
    except ImportError:
        yield
        return
    before = termios.tcgetattr(sys.stdin)
    silent = termios.tcgetattr(sys.stdin)
    silent[3] &= ~termios.ECHO
    termios.tcsetattr(sys.stdin, termios.TCSADRAIN, silent)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
