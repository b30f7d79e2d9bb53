"""What is printed, and when a bar counts as held."""

import math

import pytest

from benchmarks.table import Bar, print_table


class TestBar:
    @pytest.mark.parametrize(("measured", "is_held"), [(2.9, True), (3.0, True), (3.1, False), (math.nan, False)])
    def test_a_ceiling_is_held_up_to_its_limit(self, measured: float, is_held: bool) -> None:
        assert Bar(name="cost", measured=measured, limit=3).is_held is is_held

    @pytest.mark.parametrize(("measured", "is_held"), [(0.19, False), (0.2, True), (0.5, True), (math.nan, False)])
    def test_a_floor_is_held_from_its_limit_on(self, measured: float, is_held: bool) -> None:
        assert Bar(name="share", measured=measured, limit=0.2, is_ceiling=False).is_held is is_held

    def test_it_reads_as_a_verdict(self) -> None:
        assert str(Bar(name="cost", measured=4, limit=3, unit=" ×")) == "  MISSED cost: 4 × (bar ≤ 3 ×)"


class TestPrintTable:
    def test_names_stand_left_and_figures_right(self, capsys: pytest.CaptureFixture[str]) -> None:
        print_table("title", ["", "ms"], [["floor", "1.0"], ["ours", "12.5"]])
        assert capsys.readouterr().out == "\ntitle\n           ms\n  floor   1.0\n  ours   12.5\n"
