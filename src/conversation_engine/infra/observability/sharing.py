"""How the workers of one server count together: in files of a folder, of which each writes its own.

Each worker has a seat, a number that goes to the process that is started in place of one that died: the new one opens
its predecessor's files and counts on, so that no counter falls, none is counted twice, and a worker that dies all night
leaves no more files than one that lives. What stood in the dead one (`forget`) does not stand in the new one.
"""

import fcntl
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

FOLDER_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
"""The library's own: it must be set before the library is imported."""
PREFIX: Final = "convo-metrics-"
LOCK: Final = "lock"
MEMORY: Final = "/dev/shm"  # noqa: S108 - `mkdtemp` makes the name, and nobody else may enter


def make() -> tuple[Path, int]:
    """A folder for the workers of one server, empty, and nobody else's to read; and what all of them are to hold.

    In memory where there is such a place: a disk that is busy would make who counts wait for it. The descriptor is a
    lock on the folder: while one process has it, whether or not it knows, the folder is theirs. Those of servers that
    were killed with all their workers are removed by the next that starts.
    """
    place = os.environ.get("TMPDIR") or (MEMORY if os.access(MEMORY, os.W_OK) else tempfile.gettempdir())
    for folder in Path(place).glob(f"{PREFIX}*"):
        _remove_abandoned(folder)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
    held = os.open(folder / "new", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    fcntl.flock(held, fcntl.LOCK_EX)
    os.rename(folder / "new", folder / LOCK)  # only a lock that is held has its name
    return folder, held


def _remove_abandoned(folder: Path) -> None:
    with suppress(OSError):  # it is not ours, it is held, or somebody else is removing it
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove(folder)
        finally:
            os.close(lock)


def take_seat(seat: int) -> None:
    """Count in the files of this seat, in the folder that is shared, from now on. Before any `Metrics` is made."""
    from prometheus_client import values

    values.ValueClass = values.MultiProcessValue(process_identifier=lambda: seat)  # type: ignore[no-untyped-call]


def forget(folder: Path, seat: int) -> None:
    """The process at this seat has died: what it was doing, nobody does now. Its counts stay."""
    for path in folder.glob(f"gauge_live*_{seat}.db"):
        path.unlink(missing_ok=True)


def remove(folder: Path) -> None:
    """Nobody counts there any more, or only such as are about to end. Idempotent."""
    with suppress(OSError):
        for path in (*folder.glob("*.db"), folder / LOCK):
            path.unlink(missing_ok=True)
        os.rmdir(folder)


def remove_shared() -> None:
    """The same with the folder in which this process counts."""
    if folder := os.environ.get(FOLDER_VARIABLE):
        remove(Path(folder))
