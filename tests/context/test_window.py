"""The basic window, as pure planning."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from conversation_engine.domains.context.errors import MessageTooLongError, NothingToAnswerError
from conversation_engine.domains.context.types import Candidate, Window
from conversation_engine.domains.context.window import plan_window

histories = st.lists(st.tuples(st.sampled_from(["system", "user", "assistant"]), st.integers(0, 60)), max_size=30)
budgets = st.integers(-5, 400)
overheads = st.integers(0, 8)
prompts = st.none() | st.tuples(st.text(min_size=1, max_size=5), st.integers(0, 50))


def newest_first(history: list[tuple[Any, int]]) -> list[Candidate]:
    told = [
        Candidate(sequence_number=number, role=role, text=f"#{number}", tokens=tokens)
        for number, (role, tokens) in enumerate(history, start=1)
    ]
    return told[::-1]


def plan(candidates: Any, *, prompt: tuple[str, int] | None = None, overhead: int = 0, budget: int = 100) -> Window:
    return plan_window(
        candidates,
        system_prompt=prompt[0] if prompt else None,
        system_tokens=prompt[1] if prompt else 0,
        overhead_tokens=overhead,
        budget_tokens=budget,
    )


class TestPlanWindow:
    @given(histories, prompts, overheads, budgets)
    def test_it_is_the_longest_newest_part_that_fits(
        self, history: list[tuple[Any, int]], prompt: tuple[str, int] | None, overhead: int, budget: int
    ) -> None:
        assume(history)
        candidates = newest_first(history)
        fixed = prompt[1] + overhead if prompt else 0
        costs = [fixed + sum(c.tokens + overhead for c in candidates[: n + 1]) for n in range(len(candidates))]
        fitting = sum(cost <= budget for cost in costs)
        if not fitting:
            with pytest.raises(MessageTooLongError) as refused:
                plan(candidates, prompt=prompt, overhead=overhead, budget=budget)
            assert refused.value.facts == {"needed_tokens": costs[0], "budget_tokens": budget}
            return
        window = plan(candidates, prompt=prompt, overhead=overhead, budget=budget)
        shown = [message.text for message in window.messages]
        assert shown == ([prompt[0]] if prompt else []) + [c.text for c in reversed(candidates[:fitting])]
        assert window.input_tokens == costs[fitting - 1] <= budget

    @given(histories, prompts, overheads, budgets)
    def test_its_account_adds_up(
        self, history: list[tuple[Any, int]], prompt: tuple[str, int] | None, overhead: int, budget: int
    ) -> None:
        try:
            window = plan(newest_first(history), prompt=prompt, overhead=overhead, budget=budget)
        except (MessageTooLongError, NothingToAnswerError):
            return
        account = window.manifest
        sent, dropped, system = account["sent"], account["dropped"], account["system"]
        assert sent["last"] == len(history)
        assert sent["count"] == sent["last"] - sent["first"] + 1
        assert (dropped["last"] if dropped else 0) == sent["first"] - 1
        assert (system["tokens"] if system else None) == (prompt[1] if prompt else None)
        parts = sent["tokens"] + (prompt[1] if prompt else 0) + overhead * len(window.messages)
        assert account["input_tokens"] == window.input_tokens == parts
        assert account["budget_tokens"] == budget

    @given(st.integers(1, 20))
    def test_it_reads_only_as_far_as_there_is_room(self, fitting: int) -> None:
        read = 0

        def endless() -> Iterator[Candidate]:
            nonlocal read
            while True:
                read += 1
                yield Candidate(sequence_number=10**9 - read, role="user", text="x", tokens=10)

        assert len(plan(endless(), budget=fitting * 10 + 9).messages) == fitting
        assert read == fitting + 1

    def test_an_empty_prompt_is_none_at_all(self) -> None:
        window = plan(newest_first([("user", 1)]), prompt=("", 50), budget=10)
        assert [message.role for message in window.messages] == ["user"]

    def test_nothing_said_is_nothing_to_answer(self) -> None:
        with pytest.raises(NothingToAnswerError):
            plan([])
