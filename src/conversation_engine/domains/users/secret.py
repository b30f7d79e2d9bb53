"""The secret of a laptop: made once, readable by its owner alone."""

import os
import secrets
from pathlib import Path

SECRET_BYTES = 32
_OWNER_ONLY = 0o600


def local_secret(data_dir: Path) -> str:
    """The key kept in `data_dir/secret`, made on first use. Safe when two processes start at once."""
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = data_dir / "secret"
    if not path.exists():
        _make(path)
    return path.read_text().strip()


def _make(path: Path) -> None:
    """Write it whole beside its place, then link it there: the first of two racing processes wins."""
    draft = path.with_name(f".secret-{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _OWNER_ONLY)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(SECRET_BYTES))
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink(missing_ok=True)
