"""Weights found from what prompts came to."""

from random import Random

import pytest

from conversation_engine.domains.llm.fitting import Row, fitted, told

TRUE = (1.4, 0.5, 2.0)
BEGUN = (1.0, 0.0, 0.0)


def seen(count: int, *, lies: int = 0, seed: int = 3) -> tuple[list[Row], list[float]]:
    """Prompts and their totals to within 2 %, the last of them made up."""
    random = Random(seed)
    rows = [
        [(place, random.uniform(10, 400)) for place in range(len(TRUE)) if not place or random.random() < 0.5]
        for _ in range(count)
    ]
    totals = [told(row, TRUE) * random.uniform(0.98, 1.02) for row in rows]
    for number in range(count - lies, count):
        totals[number] *= random.choice((0.3, 0.5, 2.0, 4.0))
    return rows, totals


class TestFitted:
    def test_fifty_prompts_tell_the_weights(self) -> None:
        assert fitted(*seen(50), BEGUN) == pytest.approx(TRUE, abs=0.08)

    def test_a_fifth_of_them_may_be_wrong(self) -> None:
        assert fitted(*seen(50, lies=10), BEGUN) == pytest.approx(TRUE, abs=0.15)

    def test_without_prompts_they_stay_where_they_began(self) -> None:
        assert fitted([], [], BEGUN) == BEGUN

    def test_what_no_prompt_holds_stays_where_it_began(self) -> None:
        rows: list[Row] = [[(0, 100.0)]] * 20
        assert fitted(rows, [140.0] * 20, (1.0, 0.7, 0.0)) == pytest.approx((1.4, 0.7, 0.0), abs=0.01)

    def test_few_prompts_pull_less_than_many(self) -> None:
        few, many = (fitted(rows, [150.0] * len(rows), (1.0,))[0] for rows in ([[(0, 100.0)]], [[(0, 100.0)]] * 50))
        assert 1.0 < few < many < 1.5
        assert many == pytest.approx(1.5, abs=0.01)
