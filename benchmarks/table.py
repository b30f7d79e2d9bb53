"""Small tables, and the bars that figures are held to."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A figure and the limit it is held to."""

    name: str
    measured: float
    limit: float
    is_ceiling: bool = True
    """Whether `limit` is the most (else the least) that is good enough."""
    unit: str = ""

    @property
    def is_held(self) -> bool:
        """Whether the figure is good enough; one that could not be measured (NaN) is not."""
        return self.measured <= self.limit if self.is_ceiling else self.measured >= self.limit

    def __str__(self) -> str:
        sign = "≤" if self.is_ceiling else "≥"
        mark = "ok    " if self.is_held else "MISSED"
        return f"  {mark} {self.name}: {self.measured:.3g}{self.unit} (bar {sign} {self.limit:g}{self.unit})"


def print_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under a title: the first column to the left, the others to the right."""
    widths = [max(len(line[i]) for line in (header, *rows)) for i in range(len(header))]
    print(f"\n{title}")
    for line in (header, *rows):
        cells = [
            line[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)),
        ]
        print("  " + "  ".join(cells))


def print_bars(bars: Sequence[Bar]) -> None:
    """Print every bar and whether it is held."""
    for bar in bars:
        print(bar)
