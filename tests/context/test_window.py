"""Windows, as pure planning."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from conversation_engine.domains.context.errors import MessageTooLongError
from conversation_engine.domains.context.settings import ContextSettings
from conversation_engine.domains.context.strategies import choose
from conversation_engine.domains.context.types import Budget, Candidate, Choice, Digest, Frame, Window
from conversation_engine.domains.context.window import choose_history, frame_of, history_tokens, make_window
from conversation_engine.kernel.windows import NO_OPTIONS, TooLongPolicy, WindowOptions, WindowStrategy

CHOICE = choose(ContextSettings(), "general", NO_OPTIONS)


def count(text: str) -> int:
    """One token a character: texts of tests are as long as they say."""
    return len(text)


def said(sizes: Sequence[int]) -> list[Candidate]:
    """A conversation in which people and the model take turns, in order."""
    return [
        Candidate(number, "assistant" if number % 2 == 0 else "user", f"{number}.".ljust(size, "x")[:size], size)
        for number, size in enumerate(sizes, start=1)
    ]


def plan(
    talk: Sequence[Candidate],
    *,
    total: int = 100,
    overhead: int = 0,
    prompt: int = 0,
    pinned: Sequence[int] = (),
    digests: Sequence[Digest] = (),
    start: int = 0,
    choice: Choice = CHOICE,
) -> tuple[Window, Frame]:
    budget = Budget(total_tokens=total, overhead_tokens=overhead, recall_tokens=int(total * choice.recall_share))
    frame = frame_of(
        talk[-1],
        system_prompt="S" * prompt,
        system_tokens=prompt,
        budget=budget,
        pinned=[one for one in talk if one.sequence_number in pinned],
        too_long=choice.too_long,
        count=count,
    )
    older = iter(talk[-2::-1])
    history = choose_history(older, frame=frame, budget=budget, choice=choice, start=start, digests=digests)
    return make_window(frame, history, budget=budget, choice=choice), frame


talks = st.lists(st.integers(4, 60), min_size=1, max_size=40).map(said)
totals = st.integers(0, 400)
overheads = st.integers(0, 8)
prompts = st.integers(0, 50)
pins = st.sets(st.integers(1, 40), max_size=5)
choices = st.builds(
    lambda strategy, keep, too_long, most: replace(
        choose(ContextSettings(), "general", WindowOptions(strategy=strategy, last_messages=most)),
        keep_share=keep,
        too_long=too_long,
    ),
    st.sampled_from(WindowStrategy),
    st.sampled_from([0.1, 0.5, 1.0]),
    st.sampled_from(TooLongPolicy),
    st.integers(1, 8),
)


@st.composite
def summarised(draw: Any) -> list[Digest]:
    lasts = sorted(draw(st.sets(st.integers(1, 40), max_size=4)))
    return [Digest(f"d{last}", last, f"d{last}".ljust(9, "d")[:9], 9) for last in lasts]


class TestWindow:
    @settings(max_examples=300)
    @given(st.data(), talks, totals, choices)
    def test_is_never_over_the_limit_in_order_and_explained(
        self, data: st.DataObject, talk: list[Candidate], total: int, choice: Choice
    ) -> None:
        overhead, prompt = data.draw(overheads), data.draw(prompts)
        try:
            window, frame = plan(
                talk,
                total=total,
                overhead=overhead,
                prompt=prompt,
                pinned=[*data.draw(pins)],
                digests=data.draw(summarised()),
                start=data.draw(st.integers(0, 40)),
                choice=choice,
            )
        except MessageTooLongError as refused:
            assert prompt + talk[-1].tokens + overhead * (1 + bool(prompt)) == refused.facts["needed_tokens"] > total
            return
        messages = list(window.messages)
        assert sum(count(message.text) + overhead for message in messages) == window.input_tokens <= total
        if prompt:
            assert messages.pop(0).role == "system"
        newest = messages.pop()
        assert newest[:3] == (talk[-1].role, frame.newest.text, frame.newest.tokens)
        assert frame.newest.text == talk[-1].text or (choice.too_long is TooLongPolicy.CUT and frame.cut_tokens > 0)
        account = window.manifest
        for pin in frame.pinned:
            assert pin.text in [message.text for message in (*messages, newest)]
        numbers = [int(message.text.split(".")[0]) for message in messages if message.text[0] not in "d"]
        assert numbers == sorted(set(numbers))
        sent, dropped = account["sent"], account["dropped"]
        outside = account["pinned"]["numbers"] if account["pinned"] else []
        assert numbers[len(outside) :] == list(range(sent["first"], sent["last"]))
        assert (dropped["last"] if dropped else 0) == sent["first"] - 1
        if account["summary"]:
            assert account["summary"]["last"] < account["sent"]["first"]

    @given(st.lists(st.integers(4, 20), min_size=60, max_size=120).map(said), st.integers(150, 400))
    def test_begins_where_the_last_one_began_until_that_does_not_fit(self, talk: list[Candidate], total: int) -> None:
        start, before, moves = 0, [], 0
        for end in range(1, len(talk) + 1, 2):
            window, _ = plan(talk[:end], total=total, start=start)
            shown = [message.text for message in window.messages]
            if before and shown[: len(before) - 1] != before[:-1]:
                moves += 1
                assert window.manifest["dropped"]
                whole = sum(one.tokens for one in talk[:end] if one.sequence_number >= max(start, 1))
                assert whole + int(total * CHOICE.recall_share) > total, "what was there still fitted"
            start, before = window.start, shown
        assert moves <= sum(one.tokens for one in talk) / (total * CHOICE.keep_share / 2) + 1

    @given(talks, totals, st.sampled_from([0.1, 0.5]))
    def test_begins_with_a_question_when_it_drops_a_block(self, talk: list[Candidate], total: int, keep: float) -> None:
        assume(len(talk) > 2 and talk[-1].tokens <= total)
        window, _ = plan(talk, total=total, choice=replace(CHOICE, keep_share=keep))
        if window.manifest["dropped"] and len(window.messages) > 2:
            assert window.messages[0].role == "user"

    @given(st.integers(1, 20))
    def test_reads_only_as_far_as_there_is_room(self, fitting: int) -> None:
        read = 0

        def endless() -> Iterator[Candidate]:
            nonlocal read
            while True:
                read += 1
                yield Candidate(10**9 - read, "user", "x" * 10, 10)

        budget = Budget(total_tokens=10 + fitting * 10, overhead_tokens=0)
        frame = Frame(system_prompt=None, system_tokens=0, newest=Candidate(10**9, "user", "x" * 10, 10))
        history = choose_history(endless(), frame=frame, budget=budget, choice=replace(CHOICE, keep_share=1), start=0)
        assert len(history.kept) == fitting
        assert read == fitting + 1

    def test_does_not_stay_at_a_start_that_leaves_it_nearly_empty(self) -> None:
        """Another model's window was smaller, or the end of the conversation was deleted."""
        window, _ = plan(said([10] * 20), total=150, start=19)
        assert window.manifest["sent"]["count"] >= 5


class TestLastMessages:
    @given(talks, st.integers(1, 8))
    def test_are_as_many_as_were_asked_for(self, talk: list[Candidate], most: int) -> None:
        options = WindowOptions(strategy=WindowStrategy.LAST_MESSAGES, last_messages=most)
        window, _ = plan(talk, total=10_000, choice=choose(ContextSettings(), "general", options))
        assert [message.text for message in window.messages] == [one.text for one in talk[-most:]]

    def test_are_five_unless_somebody_says_otherwise(self) -> None:
        options = WindowOptions(strategy=WindowStrategy.LAST_MESSAGES)
        window, _ = plan(said([9] * 20), total=10_000, choice=choose(ContextSettings(), "general", options))
        assert window.manifest["sent"]["count"] == 5


class TestTooLong:
    @given(st.integers(60, 500), st.integers(0, 40), st.integers(40, 300))
    def test_a_message_is_cut_where_that_is_the_policy_and_its_ends_are_shown(
        self, length: int, prompt: int, total: int
    ) -> None:
        text = "".join(chr(0x4E00 + place) for place in range(length))
        talk = [Candidate(1, "user", text, length)]
        choice = replace(CHOICE, too_long=TooLongPolicy.CUT)
        assume(length + prompt > total)
        try:
            window, _ = plan(talk, total=total, prompt=prompt, choice=choice)
        except MessageTooLongError:
            assert total - prompt < 60  # not even the mark has room
            return
        shown = window.messages[-1].text
        assert window.input_tokens <= total
        assert shown[0] == text[0]
        assert window.manifest["sent"]["cut_tokens"] > 0

    def test_else_it_is_refused_with_the_room_there_is(self) -> None:
        with pytest.raises(MessageTooLongError) as refused:
            plan(said([101]), total=100)
        assert refused.value.facts == {"needed_tokens": 101, "budget_tokens": 100}


class TestDigests:
    def test_stand_for_what_was_left_out(self) -> None:
        talk, digest = said([10] * 20), Digest("one", 12, "summary", 7)
        window, _ = plan(talk, total=100, digests=[digest])
        assert window.messages[0][:3] == ("user", "summary", 7)
        assert window.manifest["dropped"] == {
            "last": 12,
            "summarised_to": 12,
            "reason": "older than what is sent; the summary covers them",
        }

    def test_are_used_when_the_window_has_to_move_and_not_before(self) -> None:
        talk, early = said([10] * 9), Digest("one", 4, "summary", 7)
        window, _ = plan(talk, total=100, digests=[early])
        assert window.manifest["summary"] is None
        assert window.manifest["sent"]["count"] == 9

    def test_the_oldest_that_makes_the_rest_fit_is_used(self) -> None:
        digests = [Digest(f"d{last}", last, "summary", 7) for last in (4, 12, 16)]
        window, _ = plan(said([10] * 20), total=100, digests=digests)
        assert window.manifest["summary"]["id"] == "d12"

    def test_of_another_branch_are_not_used(self) -> None:
        talk = [one for one in said([10] * 20) if one.sequence_number not in (11, 12)]
        budget = Budget(total_tokens=100, overhead_tokens=0)
        frame = Frame(system_prompt=None, system_tokens=0, newest=talk[-1])
        digest = Digest("other", 12, "summary", 7)
        history = choose_history(
            iter(talk[-2::-1]), frame=frame, budget=budget, choice=CHOICE, start=0, digests=[digest], is_linear=False
        )
        assert history.digest is None


class TestPins:
    def test_are_shown_once_in_front_of_what_is_newer(self) -> None:
        window, _ = plan(said([10] * 20), total=100, pinned=[2, 19])
        texts = [message.text[:2] for message in window.messages]
        assert texts[0] == "2."
        assert texts.count("19") == 1

    def test_never_push_out_the_message_to_answer(self) -> None:
        window, _ = plan(said([40] * 5), total=100, pinned=[1, 2, 3])
        assert window.messages[-1].text.startswith("5.")
        assert window.manifest["pinned"]["without_room"] == 3 - len(window.manifest["pinned"]["numbers"])

    def test_the_room_of_the_history_is_what_the_frame_leaves(self) -> None:
        frame = Frame(system_prompt="S", system_tokens=1, newest=said([10])[0])
        assert history_tokens(frame, Budget(total_tokens=100, overhead_tokens=2)) == 100 - 3 - 12
