"""The pages about invariants name files, and those exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "docs" / "invariants").glob("*.md"))
ROOMS = {
    "turns.md": "src/conversation_engine/turns",
    "messages.md": "src/conversation_engine/domains/conversations",
    "money.md": "src/conversation_engine/domains/limits",
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_source_paths_of_a_page_exist(page: Path) -> None:
    named = set(re.findall(r"`([\w/.-]+\.py)`", page.read_text(encoding="utf-8")))
    assert named
    places = (ROOT, ROOT / "src/conversation_engine", ROOT / ROOMS[page.name])
    assert [name for name in sorted(named) if not any((place / name).exists() for place in places)] == []
