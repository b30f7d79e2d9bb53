"""`python -m evaluation [name …] [--data FOLDER] [--tiny]`: the exit status is 1 when a bar is missed."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.table import Bar, print_bars
from evaluation import follow_ups, prefixes, recall, retrieval, rewrites, token_counts, topic_shifts

Measure = Callable[[bool, Path | None], list[Bar]]
MEASURES: dict[str, Measure] = {
    "follow_ups": follow_ups.measure,
    "prefixes": prefixes.measure,
    "recall": recall.measure,
    "retrieval": retrieval.measure,
    "rewrites": rewrites.measure,
    "token_counts": token_counts.measure,
    "topic_shifts": topic_shifts.measure,
}
"""Each prints its tables and gives its bars; it is told whether to be tiny, and where texts of others are, if any."""


def main(arguments: list[str]) -> int:
    """Run what was asked for and print whether it holds its bars."""
    parser = argparse.ArgumentParser(prog="python -m evaluation", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(MEASURES)}; default: all")
    parser.add_argument("--tiny", action="store_true", help="smallest sizes: does it run? Bars are not judged.")
    parser.add_argument(
        "--data",
        type=Path,
        default=os.environ.get("CE_EVAL_DATA"),
        help="folder with texts of others, in addition to the small ones here; CE_EVAL_DATA if unset",
    )
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.names) - set(MEASURES):
        parser.error(f"no evaluation {', '.join(sorted(unknown))}")
    data = None if chosen.data is None else Path(chosen.data)
    if data is not None and not data.is_dir():
        parser.error(f"{data} is no folder")
    bars = [bar for name in chosen.names or MEASURES for bar in MEASURES[name](chosen.tiny, data)]
    print_bars(bars)
    return 0 if chosen.tiny or all(bar.is_held for bar in bars) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
