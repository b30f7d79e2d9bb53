"""Weights that tell what prompts came to from what they are made of. Pure, and without a library: some milliseconds.

Ridge regression: with few prompts, or ever the same, the weights stay near where they began. Robust: residuals count by
their size and not by their square, and what is far off does not count in the end, so that a minority of wrong reports
moves little.
"""

import statistics
from collections.abc import Sequence
from typing import Final

Row = Sequence[tuple[int, float]]
"""What a prompt is made of: pairs of a feature's place and its amount, those of nothing left out."""

PULL: Final = 0.01
"""Towards where the weights began; chosen on texts and vocabularies that no evaluation here has: more is as good on few
kinds of text, less on many."""
ROUNDS: Final = 12
"""Weights settle; …"""
ROUNDS_BEFORE_CUT: Final = 6
"""… only then is it known what is far off."""
LEAST_SPREAD: Final = 0.01
"""Residuals are at least that share of a prompt: nobody guesses better than to one in a hundred."""
FAR_OFF: Final = 6.0
"""Spreads; what is further counts for nothing."""
LEAST_FAR_OFF: Final = 0.1


def fitted(rows: Sequence[Row], totals: Sequence[float], begun: Sequence[float]) -> tuple[float, ...]:
    """The weights, as many as `begun` and near those, under which `rows` come near their `totals` (each above 0)."""
    if not rows:
        return tuple(begun)
    weights = list(begun)
    sizes = [max(total, 1.0) for total in totals]
    trusts = [1.0] * len(rows)
    for turn in range(ROUNDS):
        weights = _solved(rows, totals, begun, [trust / size**2 for trust, size in zip(trusts, sizes, strict=True)])
        guesses = [told(row, weights) for row in rows]
        sizes = [max(guess, 1.0) for guess in guesses]
        off = [abs(g - t) / size for g, t, size in zip(guesses, totals, sizes, strict=True)]
        trusts = _trusts(off, is_late=turn >= ROUNDS_BEFORE_CUT)
    return tuple(weights)


def told(row: Row, weights: Sequence[float]) -> float:
    """What the weights say of a prompt."""
    return sum(weights[place] * amount for place, amount in row)


def _trusts(off: Sequence[float], *, is_late: bool) -> list[float]:
    usual = statistics.median(off)
    if not is_late:
        spread = max(LEAST_SPREAD, usual / 2)
        return [min(1.0, spread / one) if one else 1.0 for one in off]
    far = max(LEAST_FAR_OFF, FAR_OFF * usual)
    return [(1 - (one / far) ** 2) ** 2 if one < far else 0.0 for one in off]


def _solved(
    rows: Sequence[Row], totals: Sequence[float], begun: Sequence[float], importances: Sequence[float]
) -> list[float]:
    """Least squares around `begun`."""
    count = len(begun)
    matrix = [[PULL if a == b else 0.0 for b in range(count)] for a in range(count)]
    right = [0.0] * count
    for row, total, importance in zip(rows, totals, importances, strict=True):
        if importance <= 0:
            continue
        left_over = total - told(row, begun)
        for place, amount in row:
            scaled = importance * amount
            right[place] += scaled * left_over
            line = matrix[place]
            for other, amount_there in row:
                line[other] += scaled * amount_there
    return [start + change for start, change in zip(begun, _eliminated(matrix, right), strict=True)]


def _eliminated(matrix: list[list[float]], right: list[float]) -> list[float]:
    """The solution of a symmetric positive definite system; both arguments are used up."""
    count = len(right)
    for pivot in range(count):
        line = matrix[pivot]
        for below in range(pivot + 1, count):
            factor = matrix[below][pivot] / line[pivot]
            if factor:
                target = matrix[below]
                for place in range(pivot, count):
                    target[place] -= factor * line[place]
                right[below] -= factor * right[pivot]
    found = [0.0] * count
    for place in reversed(range(count)):
        rest = sum(matrix[place][other] * found[other] for other in range(place + 1, count))
        found[place] = (right[place] - rest) / matrix[place][place]
    return found
