"""Exact money: US dollars as `Decimal`, stored as whole picodollars.

One token of the cheapest cached model costs about 1e-9 dollars, so a picodollar (1e-12) leaves three digits
below it; 64 bits of picodollars reach 9.2 million dollars, per row and per sum.
"""

from decimal import ROUND_HALF_EVEN, Decimal

PICODOLLARS_PER_DOLLAR = 10**12
_PICODOLLAR = Decimal(1).scaleb(-12)


def exact_dollars(dollars: Decimal) -> Decimal:
    """`dollars` as both databases keep them, so that sums in Python and in SQL agree to the last digit."""
    return from_picodollars(to_picodollars(dollars))


def to_picodollars(dollars: Decimal) -> int:
    """Whole picodollars, rounded half to even beyond the twelfth digit."""
    return int(dollars.quantize(_PICODOLLAR, rounding=ROUND_HALF_EVEN).scaleb(12))


def from_picodollars(picodollars: int) -> Decimal:
    """The exact number of dollars, without trailing zeros or an exponent."""
    dollars = Decimal(picodollars).scaleb(-12).normalize()
    return dollars if dollars.as_tuple().exponent <= 0 else dollars.quantize(Decimal(1))  # type: ignore[operator]
