"""Text that every store and every wire can carry."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversation_engine.kernel.errors import InvalidTextError
from conversation_engine.kernel.text import checked_text, is_storable, storable

anything = st.text(st.characters() | st.sampled_from("\x00\ud800\udfff\ufffd"))


class TestStorable:
    @given(anything)
    def test_the_result_is_storable_and_keeps_every_offset(self, text: str) -> None:
        result = storable(text)
        assert is_storable(result)
        assert len(result) == len(text)
        assert all(new in (old, "\ufffd") for old, new in zip(text, result, strict=True))

    @given(anything)
    def test_storable_text_stays_as_it_is(self, text: str) -> None:
        assert (storable(text) == text) == is_storable(text)


class TestCheckedText:
    @given(anything)
    def test_it_is_returned_unchanged_or_refused(self, text: str) -> None:
        try:
            assert checked_text(text, name="note", limit_characters=20) == text
            assert text.strip()
            assert len(text) <= 20
            assert is_storable(text)
        except InvalidTextError as error:
            assert error.facts["field"] == "note"
            assert not text.strip() or len(text) > 20 or not is_storable(text)

    def test_the_limit_counts_code_points(self) -> None:
        assert checked_text("👩" * 20, name="note", limit_characters=20)
        with pytest.raises(InvalidTextError):
            checked_text("👩" * 21, name="note", limit_characters=20)

    def test_blank_is_fine_where_it_is_allowed(self) -> None:
        assert checked_text("", name="note", limit_characters=20, blank_allowed=True) == ""
