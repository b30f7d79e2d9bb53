"""`python -m benchmarks [name …] [--tiny]`: the exit status is 1 when a bar is missed."""

import argparse
import sys
from collections.abc import Callable

from benchmarks import (
    cancels,
    capacity,
    cpu_per_chunk,
    dialects,
    first_words,
    importing,
    insights,
    model_stream,
    persistence,
    profile_turn,
    resume,
    retrieval,
    signals,
    startup,
    streaming,
    watchers,
    windows,
)
from benchmarks.table import Bar, print_bars

MEASURES: dict[str, Callable[[bool], list[Bar]]] = {
    "persistence": persistence.measure,
    "streaming": streaming.measure,
    "cpu_per_chunk": cpu_per_chunk.measure,
    "model_stream": model_stream.measure,
    "dialects": dialects.measure,
    "startup": startup.measure,
    "resume": resume.measure,
    "watchers": watchers.measure,
    "signals": signals.measure,
    "cancels": cancels.measure,
    "windows": windows.measure,
    "retrieval": retrieval.measure,
    "insights": insights.measure,
}
TOOLS: dict[str, Callable[[bool], list[Bar]]] = {
    "profile_turn": profile_turn.measure,
    "importing": importing.measure,
    "capacity": capacity.measure,
    "first_words": first_words.measure,
}
"""Run only when named: they guide, or take long."""


def main(arguments: list[str]) -> int:
    """Run what was asked for and print whether it holds its bars."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="name", help=f"of {', '.join((*MEASURES, *TOOLS))}; default: all bars"
    )
    parser.add_argument("--tiny", action="store_true", help="smallest sizes: does it run? Bars are not judged.")
    chosen = parser.parse_args(arguments)
    known = MEASURES | TOOLS
    if unknown := set(chosen.names) - set(known):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}")
    bars: list[Bar] = []
    for name in chosen.names or MEASURES:
        found = known[name](chosen.tiny)
        print_bars(found)
        bars += found
    return 0 if chosen.tiny or all(bar.is_held for bar in bars) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
