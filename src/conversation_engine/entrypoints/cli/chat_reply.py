"""A reply drawn while it grows."""

import asyncio
from collections.abc import Callable, Iterator
from itertools import dropwhile
from typing import Final

from rich.console import Console, ConsoleOptions
from rich.live import Live
from rich.markdown import Markdown
from rich.segment import Segment

REDRAWS_PER_SECOND: Final = 12
_SPARE_LINES: Final = 2
"""Left free on the screen, for the cursor and what the terminal itself writes."""
_HARMLESS: Final = {
    **{code: "\N{REPLACEMENT CHARACTER}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"},
    ord("\r"): None,
}


def harmless(text: str) -> str:
    """`text` without the control characters by which a model could drive the terminal."""
    return text.translate(_HARMLESS)


class GrowingReply:
    """Markdown blocks that are finished are printed for good; only the last one is redrawn. Used in an event loop.

    rich's own way, redrawing everything, either cuts a reply that is higher than the screen or prints it again and
    again into the scrollback. Here a redraw never needs more than the screen: of a block that does, its end is shown
    while it grows and all of it once it is finished. Cost: each block is parsed anew for each of its lines.
    """

    def __init__(self, console: Console, *, on_first_text: Callable[[], object]) -> None:
        self._console = console
        self._on_first_text = on_first_text
        self._growing = ""
        self._live: Live | None = None
        self._redraw: asyncio.TimerHandle | None = None

    def add(self, text: str) -> None:
        """More of the reply."""
        if self._live is None:
            self._on_first_text()
            # Without rich's refreshing thread: it draws between the measuring and the printing of a finished block,
            # and the cursor then goes up too far: lines above are erased, now and then (seen with rich 15).
            self._live = Live(
                _Blocks(lambda: self._growing, is_cropped=True),
                console=self._console,
                auto_refresh=False,
                transient=True,
            )
            self._live.start()
        self._growing += harmless(text)
        if "\n" in text:
            finished, self._growing = split_finished(self._growing)
            self._print(finished)
        if self._redraw is None:
            self._redraw = asyncio.get_running_loop().call_later(1 / REDRAWS_PER_SECOND, self._draw, self._live)

    def close(self) -> None:
        """Print what is left."""
        if self._live is None:
            return
        if self._redraw is not None:
            self._redraw.cancel()
        rest, self._growing = self._growing, ""
        self._live.stop()
        self._print(rest)
        self._console.print()

    def _draw(self, live: Live) -> None:
        self._redraw = None
        live.refresh()

    def _print(self, text: str) -> None:
        if text.strip():
            self._console.print(_Blocks(lambda: text))


def split_finished(text: str) -> tuple[str, str]:
    """Markdown cut before its last top-level block: what cannot change any more, and what still may."""
    starts = [token.map[0] for token in Markdown(text).parsed if token.level == 0 and token.map]
    if len(starts) < 2:
        return "", text
    lines = text.split("\n")
    return "\n".join(lines[: starts[-1]]) + "\n", "\n".join(lines[starts[-1] :])


class _Blocks:
    """Markdown below one empty line (rich puts none, one or two); cropped, the end of it that the screen can hold."""

    def __init__(self, text: Callable[[], str], *, is_cropped: bool = False) -> None:
        """`text` is asked anew for each drawing."""
        self._text = text
        self._is_cropped = is_cropped

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        text = self._text()
        if not text.strip():
            return
        drawn = console.render_lines(Markdown(text, hyperlinks=False), options.update(height=None), pad=False)
        lines = [[], *dropwhile(_is_blank, drawn)]
        for line in lines[-max(1, console.height - _SPARE_LINES) :] if self._is_cropped else lines:
            yield from line
            yield Segment.line()


def _is_blank(line: list[Segment]) -> bool:
    return not any(segment.text.strip() or segment.style for segment in line)
