"""Which changes of a turn's state are legal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversation_engine.turns.state import can_become, is_final
from conversation_engine.turns.types import TurnState

LEGAL = {
    ("queued", "running"),
    ("queued", "cancelled"),
    ("queued", "failed"),
    ("running", "completed"),
    ("running", "failed"),
    ("running", "cancelled"),
    ("running", "interrupted"),
}
"""As the design draws it: queued → running → completed | failed | cancelled | interrupted."""


class TestCanBecome:
    @pytest.mark.parametrize("then", TurnState)
    @pytest.mark.parametrize("state", TurnState)
    def test_it_says_yes_exactly_to_the_ways_of_the_design(self, state: TurnState, then: TurnState) -> None:
        assert can_become(state, then) == ((state.value, then.value) in LEGAL)

    @given(st.lists(st.sampled_from(TurnState)))
    def test_no_turn_changes_more_than_twice(self, wanted: list[TurnState]) -> None:
        state, changes = TurnState.QUEUED, 0
        for then in wanted:
            if can_become(state, then):
                state, changes = then, changes + 1
        assert changes <= 2


class TestIsFinal:
    @pytest.mark.parametrize("state", TurnState)
    def test_a_final_state_is_one_without_a_way_out(self, state: TurnState) -> None:
        assert is_final(state) == (not any(can_become(state, then) for then in TurnState))

    def test_a_turn_that_waits_or_runs_is_not_over(self) -> None:
        assert [state for state in TurnState if not is_final(state)] == [TurnState.QUEUED, TurnState.RUNNING]
