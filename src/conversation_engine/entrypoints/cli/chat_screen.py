"""What a chat shows: a terminal that draws, or a pipe that only passes text on."""

import contextlib
import io
import sys
from collections.abc import Callable, Iterator
from typing import Protocol

from rich.console import Console
from rich.markdown import Markdown
from rich.rule import Rule
from rich.text import Text

from conversation_engine.entrypoints.cli.chat_reply import GrowingReply, harmless


class Reply(Protocol):
    """Takes a reply as it is said."""

    def add(self, text: str) -> None:
        """Show more of it."""
        ...


class Screen(Protocol):
    """Where a chat is shown."""

    def show(self, text: str) -> None:
        """A line that was asked for; a terminal cuts it at its edge."""
        ...

    def note(self, text: str) -> None:
        """An aside."""
        ...

    def fail(self, text: str) -> None:
        """Why something was not done."""
        ...

    def greet(self, text: str) -> None:
        """Where the person is now."""
        ...

    def recall(self, speaker: str, text: str) -> None:
        """A message of earlier."""
        ...

    def reply(self, waiting: str) -> contextlib.AbstractContextManager[Reply]:
        """A reply that is about to be said; `waiting` is what it waits for until then."""
        ...


class TerminalScreen:
    """Markdown, drawn while it grows."""

    def __init__(self) -> None:
        self._out = Console(highlight=False)
        self._err = Console(stderr=True, highlight=False)

    def show(self, text: str) -> None:
        self._out.print(Text(harmless(text)), no_wrap=True, overflow="ellipsis")

    def note(self, text: str) -> None:
        self._err.print(Text(harmless(text), style="dim"))

    def fail(self, text: str) -> None:
        self._err.print(Text(harmless(text), style="red"))

    def greet(self, text: str) -> None:
        self._out.print(Rule(Text(harmless(text), style="bold"), style="dim", align="left"))

    def recall(self, speaker: str, text: str) -> None:
        if speaker == "user":
            self._out.print(Text.assemble(("> ", "bold cyan"), (harmless(text), "dim")))
        else:
            self._out.print(Markdown(harmless(text), hyperlinks=False), style="dim")
            self._out.print(Rule(style="dim"))

    @contextlib.contextmanager
    def reply(self, waiting: str) -> Iterator[Reply]:
        with contextlib.ExitStack() as stack:
            spinner = stack.enter_context(self._err.status(waiting))
            yield stack.enter_context(contextlib.closing(GrowingReply(self._out, on_first_text=spinner.stop)))


class PlainScreen:
    """Replies and nothing else on stdout; the rest on stderr."""

    def __init__(self) -> None:
        self._err = Console(stderr=True, highlight=False)
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")

    def show(self, text: str) -> None:
        print(text, flush=True)

    def note(self, text: str) -> None:
        self._err.print(Text(text), soft_wrap=True)

    def fail(self, text: str) -> None:
        self._err.print(Text(text, style="red"), soft_wrap=True)

    def greet(self, text: str) -> None:
        """Nothing: a program knows what it started."""

    def recall(self, speaker: str, text: str) -> None:
        """Nothing: a program did not ask for the past."""

    @contextlib.contextmanager
    def reply(self, waiting: str) -> Iterator[Reply]:
        with contextlib.ExitStack() as stack:
            spinner = stack.enter_context(self._err.status(waiting)) if self._err.is_terminal else None
            yield stack.enter_context(contextlib.closing(_PlainReply(spinner.stop if spinner else lambda: None)))


class _PlainReply:
    def __init__(self, on_first_text: Callable[[], object]) -> None:
        self._on_first_text = on_first_text
        self._last = ""

    def add(self, text: str) -> None:
        if not self._last:
            self._on_first_text()
        sys.stdout.write(text)
        sys.stdout.flush()
        self._last = text[-1:]

    def close(self) -> None:
        """End the last line, so that the next reply begins on its own."""
        if self._last not in ("", "\n"):
            print(flush=True)
