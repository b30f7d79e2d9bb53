"""Exact money."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversation_engine.kernel.money import PICODOLLARS_PER_DOLLAR, from_picodollars, to_picodollars

whole = st.integers(-(2**63), 2**63 - 1)


class TestPicodollars:
    @given(whole)
    def test_they_come_back_exact(self, picodollars: int) -> None:
        assert to_picodollars(from_picodollars(picodollars)) == picodollars

    @given(whole)
    def test_dollars_carry_no_trailing_zeros_and_no_positive_exponent(self, picodollars: int) -> None:
        _sign, digits, exponent = from_picodollars(picodollars).as_tuple()
        assert isinstance(exponent, int)
        assert -12 <= exponent <= 0
        assert exponent == 0 or digits[-1] != 0

    @given(whole, whole)
    def test_sums_agree(self, one: int, two: int) -> None:
        assert from_picodollars(one) + from_picodollars(two) == Decimal(one + two) / PICODOLLARS_PER_DOLLAR

    @pytest.mark.parametrize(
        ("dollars", "picodollars"),
        [("1", 10**12), ("0.1", 10**11), ("-2.5", -25 * 10**11), ("5e-13", 0), ("15e-13", 2), ("25e-13", 2)],
    )
    def test_beyond_the_twelfth_digit_halves_go_to_even(self, dollars: str, picodollars: int) -> None:
        assert to_picodollars(Decimal(dollars)) == picodollars

    @pytest.mark.parametrize(("picodollars", "text"), [(10**13, "10"), (0, "0"), (1, "0.000000000001")])
    def test_people_can_read_them(self, picodollars: int, text: str) -> None:
        assert f"{from_picodollars(picodollars):f}" == text
