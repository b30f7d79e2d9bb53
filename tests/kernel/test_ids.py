"""Ids at the public edge."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversation_engine.infra.ids import new_id
from conversation_engine.kernel.errors import InvalidIdError
from conversation_engine.kernel.ids import parse_id


class TestParseId:
    @given(st.uuids())
    def test_every_way_to_write_one_becomes_the_same_string(self, value: uuid.UUID) -> None:
        forms = [value, str(value), str(value).upper(), value.hex, value.urn, f"{{{value}}}"]
        assert {parse_id(form) for form in forms} == {str(value)}

    @given(st.text())
    def test_any_text_is_an_id_or_refused(self, value: str) -> None:
        try:
            assert str(uuid.UUID(parse_id(value))) == parse_id(value)
        except InvalidIdError:
            pass

    @pytest.mark.parametrize("value", ["", "7", "x" * 36, "01890a5d-ac96-774b-bcce-b302099a805", None, 5, b"x", []])
    def test_what_is_none_is_refused(self, value: object) -> None:
        with pytest.raises(InvalidIdError):
            parse_id(value)  # type: ignore[arg-type]


class TestNewId:
    def test_ids_are_version_7_canonical_and_grow_with_time(self) -> None:
        made = [new_id() for _ in range(1000)]
        assert {uuid.UUID(one).version for one in made} == {7}
        assert made == sorted(set(made)) == [parse_id(one) for one in made]
