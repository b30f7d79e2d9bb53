"""Calls of tools and their results in windows: never one without the other."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conversation_engine.domains.context.errors import MessageTooLongError, NothingToAnswerError
from conversation_engine.domains.context.settings import ContextSettings
from conversation_engine.domains.context.strategies import choose
from conversation_engine.domains.context.types import Budget, Candidate, Digest, Window, WindowMessage
from conversation_engine.domains.context.window import choose_history, exchange_of, frame_of, make_window
from conversation_engine.domains.llm.parts import Part, Parts, Text, ToolCall, ToolResult
from conversation_engine.kernel.windows import NO_OPTIONS, TooLongPolicy, WindowOptions, WindowStrategy


def calls(*ids: str, text: str = "") -> Parts:
    said: list[Part] = [Text(text)] if text else []
    return Parts((*said, *(ToolCall(id=one, name="f", arguments="{}") for one in ids)))


def results(*ids: str) -> Parts:
    return Parts(tuple(ToolResult(call_id=one, output="1") for one in ids))


def talk_of(said: Sequence[str | Parts]) -> list[Candidate]:
    talk = []
    for number, one in enumerate(said, start=1):
        is_reply = one.startswith("a") if isinstance(one, str) else bool(one.calls)
        parts = None if isinstance(one, str) else one
        talk.append(Candidate(number, "assistant" if is_reply else "user", str(one), 10, parts))
    return talk


def planned(
    talk: Sequence[Candidate],
    *,
    total: int = 10_000,
    options: WindowOptions = NO_OPTIONS,
    start: int = 0,
    pinned: Sequence[Candidate] = (),
    digests: Sequence[Digest] = (),
) -> Window:
    """As a turn plans it."""
    choice = choose(ContextSettings(), "general", options)
    budget = Budget(total_tokens=total, overhead_tokens=1)
    newest, older = talk[-1], iter(talk[-2::-1])
    exchange: Sequence[Candidate] = ()
    if newest.parts is not None:
        exchange, newest, older = exchange_of(newest, older)
    frame = frame_of(
        newest,
        system_prompt=None,
        system_tokens=0,
        budget=budget,
        pinned=pinned,
        too_long=TooLongPolicy.CUT,
        count=len,
        exchange=exchange,
    )
    history = choose_history(older, frame=frame, budget=budget, choice=choice, start=start, digests=digests)
    return make_window(frame, history, budget=budget, choice=choice, note=("note", 4) if total % 2 else None)


def is_taken(messages: Sequence[WindowMessage]) -> bool:
    """Whether services take it: after a reply with calls come the results of all of them, and of nothing else.

    A reply may be several messages: adapters make one of them.
    """
    waiting: set[str] = set()
    were_calls = False
    for message in messages:
        called = {one.id for one in message.parts.calls} if message.parts else set()
        answered = {one.call_id for one in message.parts.results} if message.parts else set()
        if called:
            if waiting and not were_calls:
                return False
            waiting |= called
        elif answered:
            if not answered <= waiting:
                return False
            waiting -= answered
        elif waiting and message.role != "assistant":
            return False
        were_calls = bool(called) or (were_calls and message.role == "assistant")
    return not waiting


names = st.lists(st.sampled_from("xyz"), min_size=1, max_size=2, unique=True)
utterances = st.one_of(
    st.sampled_from(["u", "a"]),
    st.builds(lambda ids, text: calls(*ids, text=text), names, st.sampled_from(["", "well"])),
    st.builds(lambda ids: results(*ids), names),
)
talks = st.lists(utterances, min_size=1, max_size=14).map(talk_of)
wishes = st.one_of(
    st.just(NO_OPTIONS),
    st.builds(lambda most: WindowOptions(strategy=WindowStrategy.LAST_MESSAGES, last_messages=most), st.integers(1, 6)),
)


class TestWindow:
    @settings(max_examples=100)
    @given(talks, st.integers(11, 160), wishes, st.data())
    def test_never_holds_half_of_an_exchange(
        self, talk: list[Candidate], total: int, options: WindowOptions, data: st.DataObject
    ) -> None:
        start, is_pinned = data.draw(st.integers(0, 14)), data.draw(st.booleans())
        pinned = [talk[0]] if is_pinned else []
        digests = [Digest("d", 2, "d", 5)]
        try:
            window = planned(talk, total=total, options=options, start=start, pinned=pinned, digests=digests)
        except (MessageTooLongError, NothingToAnswerError):
            return
        assert is_taken(window.messages)
        assert window.input_tokens <= total + 5 * (total % 2), "but for the note, which has room of its own"
        assert window.messages[-1].text
        if talk[-1].parts is None:
            assert window.messages[-1].text == talk[-1].text

    def test_keeps_the_calls_that_the_newest_message_answers_whatever_is_left_out(self) -> None:
        talk = talk_of(["u", "a", "u", calls("x", "y"), results("x"), results("y")])
        options = WindowOptions(strategy=WindowStrategy.LAST_MESSAGES, last_messages=1)
        shown = [message.parts for message in planned(talk, options=options).messages]
        assert shown == [calls("x", "y"), results("x"), results("y")]

    def test_is_refused_where_an_exchange_does_not_fit(self) -> None:
        talk = talk_of(["u", calls("x"), results("x")])
        with pytest.raises(MessageTooLongError):
            planned(talk, total=20)

    def test_shows_what_else_was_said_with_a_call_that_nobody_answered(self) -> None:
        talk = talk_of(["u", calls("x", text="Let me see."), "u2", calls("y"), "u3"])
        assert [message.text for message in planned(talk).messages] == ["u", "Let me see.", "u2", "u3"]

    def test_shows_a_pinned_call_as_text(self) -> None:
        talk = talk_of([calls("x"), results("x"), "u", "a", "u"])
        options = WindowOptions(strategy=WindowStrategy.LAST_MESSAGES, last_messages=1)
        window = planned(talk, options=options, pinned=talk[:1])
        assert [message.parts for message in window.messages] == [None, None]
