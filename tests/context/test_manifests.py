"""A manifest is stored without what every other one says, and read as it was."""

from typing import Any

import pytest

from conversation_engine.domains.context.manifests import OLDER, REASONS, packed, unpacked

NOTHING: dict[str, Any] = dict.fromkeys(REASONS)
USUAL = {**NOTHING, "sent": {"last": 9, "reason": REASONS["sent"]}, "dropped": {"last": 3, "reason": OLDER}}


@pytest.mark.parametrize(
    ("manifest", "stored"),
    [
        (USUAL, {"sent": {"last": 9}, "dropped": {"last": 3}}),
        (NOTHING, {}),
        *(({**NOTHING, name: {"reason": "another"}}, {name: {"reason": "another"}}) for name in REASONS),
        *(({**NOTHING, name: {"tokens": 1, "reason": why}}, {name: {"tokens": 1}}) for name, why in REASONS.items()),
        ({**NOTHING, "prefix": {"share": None}, "strategy": "auto"}, {"prefix": {"share": None}, "strategy": "auto"}),
    ],
)
def test_it_is_stored_without_what_is_usual(manifest: dict[str, Any], stored: dict[str, Any]) -> None:
    assert packed(manifest) == stored
    assert unpacked(stored) == manifest


def test_one_that_was_stored_whole_is_read_as_it_is() -> None:
    assert unpacked(USUAL) == USUAL
