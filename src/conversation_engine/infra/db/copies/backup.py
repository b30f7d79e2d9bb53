"""A file's copy while it is in use."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import make_url

from conversation_engine.infra.db.errors import BackupFailedError
from conversation_engine.infra.db.opening import backend_of
from conversation_engine.kernel.errors import InvalidInputError


def back_up(url: str, path: Path) -> int:
    """Write what the SQLite database at `url` holds now to `path`, checked and readable by its owner alone; its bytes.

    Servers may go on: this reads one snapshot (SQLite's online backup). A file that is there is replaced at the end.
    Raises InvalidInputError for PostgreSQL, BackupFailedError.
    """
    if backend_of(url) != "sqlite":
        raise InvalidInputError(
            "PostgreSQL is backed up by its own tools: pg_dump --format=custom (docs/operations.md)."
        )
    source = Path(str(make_url(url).database))
    if not source.is_file():
        raise BackupFailedError(f"There is no database at {source}.")
    unfinished = path.with_name(f"{path.name}.part")
    unfinished.unlink(missing_ok=True)
    os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        _copy(source, unfinished)
        unfinished.replace(path)
    except sqlite3.Error as error:
        raise BackupFailedError(f"{source} could not be copied: {error}.") from error
    finally:
        unfinished.unlink(missing_ok=True)
    return path.stat().st_size


def _copy(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as one, closing(sqlite3.connect(target)) as other:
        one.backup(other)
        other.execute("PRAGMA journal_mode=DELETE")  # one file, not three
        [[found]] = other.execute("PRAGMA integrity_check(1)").fetchall()
        if found != "ok":
            raise sqlite3.DatabaseError(found)
