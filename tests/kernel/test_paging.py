"""Cursors and pages, without a database."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversation_engine.kernel.errors import InvalidCursorError
from conversation_engine.kernel.paging import Cursor, Page, make_page

keys = st.tuples(st.text(st.characters(exclude_categories=["Cs"]))) | st.tuples(st.integers(0, 2**31 - 1))


def forged(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


class TestCursor:
    @given(keys, st.booleans())
    def test_it_comes_back_as_it_was(self, key: tuple[str | int], is_backward: bool) -> None:
        cursor = Cursor(key=key, is_backward=is_backward)
        assert Cursor.decode(cursor.encode(), types=(type(key[0]),)) == cursor

    @given(keys, st.booleans())
    def test_it_can_stand_in_a_url(self, key: tuple[str | int], is_backward: bool) -> None:
        assert set(Cursor(key=key, is_backward=is_backward).encode()) <= set(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        )

    @given(st.text() | st.binary().map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
    def test_garbage_is_refused_and_never_crashes(self, garbage: str) -> None:
        try:
            cursor = Cursor.decode(garbage, types=(str,))
        except InvalidCursorError:
            return
        assert [type(part) for part in cursor.key] == [str]

    @pytest.mark.parametrize(
        "value",
        [
            None,
            5,
            {},
            {"a": 1},
            [],
            [0],
            [2, "x"],
            [0, 1],
            [0, "x", "y"],
            [0, None],
            [0, True],
            [0, ["x"]],
            ["0", "x"],
            [[0], "x"],
        ],
    )
    def test_another_shape_is_refused(self, value: object) -> None:
        with pytest.raises(InvalidCursorError):
            Cursor.decode(forged(value), types=(str,))

    def test_a_deep_one_is_refused(self) -> None:
        text = base64.urlsafe_b64encode(b"[" * 100_000).decode()
        with pytest.raises(InvalidCursorError):
            Cursor.decode(text, types=(str,))


class TestMakePage:
    @given(st.sets(st.integers(0, 99)), st.integers(1, 7))
    def test_walking_on_and_back_meets_every_row_once(self, numbers: set[int], limit: int) -> None:
        rows = sorted(numbers)

        def read(cursor: str | None) -> Page[int]:
            at = None if cursor is None else Cursor.decode(cursor, types=(int,))
            if at is None:
                found = rows
            elif at.is_backward:
                found = [row for row in reversed(rows) if row < at.key[0]]
            else:
                found = [row for row in rows if row > at.key[0]]
            return make_page(found[: limit + 1], limit=limit, cursor=at, key_of=lambda row: (row,))

        forward, page = [], read(None)
        forward += page.items
        while page.next:
            page = read(page.next)
            forward += page.items
        assert forward == rows
        backward = list(page.items)
        while page.previous:
            page = read(page.previous)
            backward = [*page.items, *backward]
        assert backward == rows

    def test_the_only_page_leads_nowhere(self) -> None:
        page = make_page([1, 2], limit=2, cursor=None, key_of=lambda row: (row,))
        assert (page.next, page.previous) == (None, None)
