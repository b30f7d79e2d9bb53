"""Which database a URL means."""

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from conversation_engine.infra.db.database import Database
from conversation_engine.infra.db.postgres import PostgresDatabase
from conversation_engine.infra.db.settings import DatabaseSettings
from conversation_engine.infra.db.sqlite import SqliteDatabase
from conversation_engine.kernel.errors import InvalidInputError


def backend_of(url: str) -> str:
    """`sqlite` or `postgresql`. Raises InvalidInputError for anything else."""
    try:
        backend = make_url(url).get_backend_name()
    except ArgumentError as error:
        raise InvalidInputError("CE_DATABASE_URL is not a database URL, such as sqlite:///talk.db") from error
    if backend not in ("sqlite", "postgresql"):
        raise InvalidInputError(f"CE_DATABASE_URL names {backend}; this engine keeps its data in sqlite or postgresql")
    return backend


def open_database(url: str, settings: DatabaseSettings) -> Database:
    """A database ready for use; nothing is connected before the first unit of work."""
    if backend_of(url) == "sqlite":
        return SqliteDatabase(url)
    return PostgresDatabase(url, pool_size=settings.database_pool_size, max_overflow=settings.database_pool_overflow)
