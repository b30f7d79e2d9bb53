"""The middle and the slow end of some durations."""

from collections.abc import Sequence
from math import ceil


def median_and_95th(values: Sequence[int]) -> tuple[int, int] | None:
    """By nearest rank: both are values that occurred. `None` of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[ceil(0.5 * len(ordered)) - 1], ordered[ceil(0.95 * len(ordered)) - 1]
