"""Every page has a place in the documentation site, and the site asks for nothing from elsewhere."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]


def listed(entries: list[Any]) -> Iterator[str]:
    for entry in entries:
        if isinstance(entry, str):
            yield entry
        else:
            for inner in entry.values():
                yield from listed(inner)


def test_the_navigation_has_every_page_once() -> None:
    pages = sorted(path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md"))
    assert sorted(listed(PROJECT["nav"])) == pages, "give the page a place in zensical.toml"


def test_nothing_comes_from_elsewhere() -> None:
    assert PROJECT["theme"]["font"] is False
    assert not {"extra_javascript", "extra_css"} & set(PROJECT)
