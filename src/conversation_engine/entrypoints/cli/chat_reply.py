"""A reply drawn while it grows."""

from collections.abc import Callable, Iterator
from typing import Final

from rich.console import Console, ConsoleOptions
from rich.live import Live
from rich.markdown import Markdown
from rich.segment import Segment

REFRESHES_PER_SECOND: Final = 12
_SPARE_LINES: Final = 2
"""Left free on the screen, for the cursor and what the terminal itself writes."""
_HARMLESS: Final = {
    code: "\N{REPLACEMENT CHARACTER}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"
}


def harmless(text: str) -> str:
    """`text` without the control characters by which a model could drive the terminal."""
    return text.replace("\r\n", "\n").translate(_HARMLESS)


class GrowingReply:
    """Markdown blocks that are finished are printed for good; only the last one is redrawn.

    rich's own way, redrawing everything, either cuts a reply that is higher than the screen or prints it again and
    again into the scrollback. Here a redraw never needs more than the screen: of a block that does, its end is shown
    while it grows and all of it once it is finished. Cost: each block is parsed anew for each of its lines.
    """

    def __init__(self, console: Console, *, on_first_text: Callable[[], object]) -> None:
        self._console = console
        self._on_first_text = on_first_text
        self._growing = ""
        self._has_printed = False
        self._live: Live | None = None

    def add(self, text: str) -> None:
        """More of the reply."""
        if self._live is None:
            self._on_first_text()
            self._live = Live(
                get_renderable=lambda: _End(self._growing, has_space_above=self._has_printed),
                console=self._console,
                refresh_per_second=REFRESHES_PER_SECOND,
                transient=True,
            )
            self._live.start()
        self._growing += harmless(text)
        if "\n" in text:
            finished, self._growing = split_finished(self._growing)
            self._print(finished)

    def close(self) -> None:
        """Print what is left."""
        if self._live is None:
            return
        rest, self._growing = self._growing, ""
        self._live.stop()
        self._print(rest)

    def _print(self, text: str) -> None:
        if not text.strip():
            return
        if self._has_printed:
            self._console.print()
        self._has_printed = True
        self._console.print(_markdown(text))


def split_finished(text: str) -> tuple[str, str]:
    """Markdown cut before its last top-level block: what cannot change any more, and what still may."""
    starts = [token.map[0] for token in Markdown(text).parsed if token.level == 0 and token.map]
    if len(starts) < 2:
        return "", text
    lines = text.splitlines(keepends=True)
    return "".join(lines[: starts[-1]]), "".join(lines[starts[-1] :])


class _End:
    """As much of a text's end as the screen can hold."""

    def __init__(self, text: str, *, has_space_above: bool) -> None:
        self._text = text
        self._has_space_above = has_space_above

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        if not self._text.strip():
            return
        lines = console.render_lines(_markdown(self._text), options.update(height=None), pad=False)
        if self._has_space_above:
            lines.insert(0, [])
        for line in lines[-max(1, console.height - _SPARE_LINES) :]:
            yield from line
            yield Segment.line()


def _markdown(text: str) -> Markdown:
    return Markdown(text, hyperlinks=False)
