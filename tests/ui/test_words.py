"""Numbers, times and texts as people read them."""

from datetime import UTC, datetime, timedelta

import pytest

from conversation_engine.entrypoints.ui.words import (
    ago,
    as_markdown,
    count,
    first_words,
    lasting,
    marked,
    money,
    size,
    text_of,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        (None, "unknown"),
        ("0", "$0.00"),
        ("0.00000021", "under $0.0001"),
        ("0.00235", "$0.0024"),
        ("12.5", "$12.50"),
        ("1234.5", "$1,234.50"),
    ],
)
def test_money_is_told_as_exactly_as_it_is_small(amount: str | None, words: str) -> None:
    assert money(amount) == words


def test_files_are_as_large_as_one_can_tell() -> None:
    assert [size(number) for number in (1, 85, 1500, 2_400_000)] == ["1 byte", "85 bytes", "2 kB", "2.4 MB"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (5, "just now"),
        (61, "1 minute ago"),
        (7300, "2 hours ago"),
        (90_000, "1 day ago"),
        (864_000, "19 February 2026"),
    ],
)
def test_how_long_ago(seconds: int, words: str) -> None:
    assert ago((NOW - timedelta(seconds=seconds)).isoformat(), now=NOW) == words
    assert ago(None) == "never"


@pytest.mark.parametrize(("seconds", "words"), [(1, "1 second"), (150, "2 minutes"), (5400, "1 h 30 min")])
def test_how_long_it_took(seconds: int, words: str) -> None:
    assert lasting(NOW.isoformat(), (NOW + timedelta(seconds=seconds)).isoformat()) == words


def test_many_are_many() -> None:
    assert (count(1, "message"), count(1200, "message")) == ("1 message", "1,200 messages")


def test_a_beginning_ends_at_a_word() -> None:
    assert first_words("one two\nthree four", 12) == "one two…"


def test_what_is_said_may_be_parts() -> None:
    assert text_of([{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]) == "one\n\ntwo"


class TestMarkdown:
    def test_dollars_are_no_formulas(self) -> None:
        assert as_markdown("from $5 to $10") == r"from \$5 to \$10"
        assert as_markdown(r"already \$5") == r"already \$5"
        assert as_markdown("$$x^2$$") == "$$x^2$$"

    def test_code_stays_as_it_is(self) -> None:
        code = "run `echo $HOME` or\n```sh\necho $HOME\n```\n"
        assert as_markdown(code) == code
        assert as_markdown("```sh\necho $HO") == "```sh\necho $HO", "while it is being said"

    def test_typed_lines_stay_lines(self) -> None:
        assert as_markdown("one\ntwo", is_typed=True) == "one  \ntwo"


def test_places_of_a_text_are_bold_and_nothing_in_it_is_markdown() -> None:
    places = [{"start": 2, "end": 5}, {"start": 6, "end": 9}]
    assert marked("a fox_fox *b*\n# $c$", places) == r"a **fox**\_**fox** \*b\* \# \$c\$"


def test_what_is_no_text_is_a_note() -> None:
    parts = [
        {"type": "text", "text": "What is it?"},
        {"type": "image", "url": "data:image/png;base64,AAAA", "detail": "auto"},
        {"type": "file", "name": "a.pdf", "url": "https://example.com/a.pdf"},
        {"type": "tool_call", "id": "c", "name": "weather", "arguments": "{}"},
        {"type": "tool_result", "call_id": "c", "output": "cold"},
    ]
    assert text_of({"parts": parts}).split("\n\n") == [
        "What is it?",
        "*📎 An image*",
        "*📎 a.pdf*",
        "*Calls `weather`:* `{}`",
        "*Result:* `cold`",
    ]
