"""The secret of a laptop: made once, readable by its owner alone."""

import contextlib
import os
import secrets
import tempfile
from pathlib import Path

SECRET_BYTES = 32


def local_secret(data_dir: Path) -> str:
    """The key kept in `data_dir/secret`, made on first use. Safe when two processes start at once."""
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = data_dir / "secret"
    if not path.exists():
        _make(path)
    return path.read_text().strip()


def _make(path: Path) -> None:
    """Write it whole beside its place, then link it there: the first of two racing starts wins.

    The draft's name is random, not the process id: two containers that share the folder may both be process 1.
    """
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".secret-") as draft:  # 0600, whatever the umask
        draft.write(secrets.token_hex(SECRET_BYTES))
        draft.flush()
        with contextlib.suppress(FileExistsError):
            os.link(draft.name, path)
