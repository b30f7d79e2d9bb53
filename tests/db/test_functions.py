"""What each database says in its own way is said in one place."""

import re
from pathlib import Path

import conversation_engine

SOURCE = Path(conversation_engine.__file__).parent
KNOWS_DIALECTS = (SOURCE / "infra" / "db", SOURCE / "engine" / "migrations")
OF_ONE_DATABASE = ("postgres.py", "sqlite.py")
"""Implementations of a port, one for each database."""


def test_only_the_rooms_of_the_database_know_dialects() -> None:
    others = [
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        if path.name not in OF_ONE_DATABASE
        and not any(path.is_relative_to(room) for room in KNOWS_DIALECTS)
        and re.search(r"sqlalchemy\.dialects|dialect\.name", path.read_text())
    ]
    assert others == []
