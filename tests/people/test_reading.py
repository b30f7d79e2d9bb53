"""Reading files of others: whatever is in them, what comes out can be written."""

import contextlib
import functools
import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conversation_engine.people.moves.importing.entries import CountedFile, entries_of
from conversation_engine.people.moves.importing.forms import read
from conversation_engine.people.moves.importing.tree import in_order
from conversation_engine.people.moves.importing.types import Entry, Found, Read
from conversation_engine.people.moves.importing.values import MalformedError
from conversation_engine.people.moves.types import Problem
from tests.people.files import CHATGPT, CLAUDE, LIBRECHAT

CHATBOTUI = {"id": 7, "name": "Talk", "messages": [{"role": "user", "content": "Hi"}], "model": {"id": "gpt-4"}}
OWN: dict[str, Any] = {
    "id": "018f353b-51ec-7c12-87b3-177a85189869",
    "user_id": "ada",
    "created_at": "2024-05-01T12:00:00Z",
    "updated_at": "2024-05-01T12:00:00Z",
    "messages": [
        {"id": "a", "sequence_number": 1, "role": "user", "content": "Hi", "created_at": "2024-05-01T12:00:00Z"}
    ],
    "feedback": [],
}
FILES = [CHATGPT[0], CLAUDE[0], CLAUDE[1], LIBRECHAT, CHATBOTUI, OWN]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def entries(data: bytes, *, limit: int = 1_000_000) -> list[Entry | Problem]:
    return list(entries_of(CountedFile(io.BytesIO(data)), limit_characters=limit))


def places_in(value: Any) -> list[tuple[Any, Any]]:
    """Every place of a document: what holds it, and by which name."""
    names = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for name, inner in names for place in ((value, name), *places_in(inner))]


def message(key: str, parent: str | None, *, says: str = "something") -> Read:
    [found] = read(Entry(position="", value={"id": "x", "messages": [{"role": "user", "content": "x"}]})).messages
    return Read(key=key, position=key, parent_key=parent, role=found.role, content=says)


class TestEntries:
    @pytest.mark.parametrize("data", [b"", b"7", b"hello", b"\xff\xfe", b"[" * 50_000, b'{"conversations": [}'])
    def test_what_is_no_such_file_is_one_problem(self, data: bytes) -> None:
        [problem] = entries(data)
        assert isinstance(problem, Problem)

    def test_what_follows_the_end_is_told(self) -> None:
        _, problem = entries(b'[{"a": 1}] [{"b": 2}]')
        assert isinstance(problem, Problem)
        assert "after [0]" in problem.sentence

    def test_no_more_is_read_than_what_was_asked_for(self) -> None:
        file = CountedFile(io.BytesIO(json.dumps([{"text": "x" * 10_000} for _ in range(1000)]).encode()))
        found = entries_of(file, limit_characters=100_000)
        for _ in range(3):
            next(found)
        assert file.bytes_read < 200_000

    def test_what_is_too_large_is_let_go_of_and_the_next_one_is_read(self) -> None:
        data = json.dumps({"conversations": [{"a": ["x"] * 1000}, {"b": 1}]}).encode()
        problem, entry = entries(data, limit=1000)
        assert isinstance(problem, Problem)
        assert (problem.position, entry) == ("conversations[0]", Entry(position="conversations[1]", value={"b": 1}))

    def test_the_names_of_an_object_may_stand_in_any_order(self) -> None:
        data = json.dumps({"conversations": [OWN], "format": "conversation-engine", "version": 1}, sort_keys=True)
        [entry] = entries(data.encode())
        assert isinstance(entry, Entry)
        assert read(entry).source == "conversation-engine"


class TestForms:
    @settings(max_examples=150, deadline=None)
    @given(st.data())
    def test_whatever_stands_in_a_place_it_is_read_or_refused(self, data: st.DataObject) -> None:
        value = json.loads(json.dumps(data.draw(st.sampled_from(FILES))))
        holder, name = data.draw(st.sampled_from(places_in(value)))
        holder[name] = data.draw(ANYTHING)
        found: Found | None = None
        try:
            found = read(Entry(position="[0]", value=value))
        except MalformedError as error:
            assert error.sentence.endswith(".")
        if found is None:
            return
        seen: set[str | None] = {None}
        messages, problems = in_order(found.messages)
        for one in messages:
            assert one.content
            assert one.parent_key in seen
            seen.add(one.key)
        assert all(problem.position.startswith("[0]") for problem in (*problems, *found.problems))

    @pytest.mark.parametrize("file", FILES)
    def test_a_value_that_is_very_deep_is_a_value_like_others(self, file: Any) -> None:
        for index in range(len(places_in(file))):
            value = json.loads(json.dumps(file))
            holder, name = places_in(value)[index]
            holder[name] = functools.reduce(lambda inner, _: [inner], range(5000), [])
            with contextlib.suppress(MalformedError):
                in_order(read(Entry(position="", value=value)).messages)

    @pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2024-05-01T12:00:00"])
    def test_a_time_that_is_no_instant_is_malformed(self, at: str) -> None:
        with pytest.raises(MalformedError):
            read(Entry(position="", value={**OWN, "created_at": at}))
        [first] = OWN["messages"]
        found = read(Entry(position="", value={**OWN, "messages": [{**first, "created_at": at}]}))
        assert [problem.position for problem in found.problems] == ["messages[0]"]

    def test_chatbot_ui_has_neither_ids_nor_times(self) -> None:
        found = read(Entry(position="history[0]", value=CHATBOTUI))
        assert [(one.key, one.parent_key, one.content) for one in found.messages] == [("#0", None, "Hi")]


class TestInOrder:
    def test_parents_come_first_and_silent_ones_are_passed_over(self) -> None:
        said = [message("c", "b"), message("b", "a", says=""), message("a", None)]
        messages, problems = in_order(said)
        assert [(one.key, one.parent_key) for one in messages] == [("a", None), ("c", "a")]
        assert problems == []

    def test_a_ring_is_opened_at_one_place(self) -> None:
        messages, problems = in_order([message("a", "c"), message("b", "a"), message("c", "b"), message("d", "c")])
        assert [(one.key, one.parent_key) for one in messages] == [("a", None), ("b", "a"), ("c", "b"), ("d", "c")]
        assert [(problem.position, problem.is_lost) for problem in problems] == [("a", False)]
