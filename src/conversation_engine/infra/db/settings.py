"""Knobs of the store."""

from pydantic import BaseModel, Field


class DatabaseSettings(BaseModel):
    """PostgreSQL's connection pool; SQLite has one writer and four readers, always."""

    database_pool_size: int = Field(10, ge=1, description="PostgreSQL connections that each process keeps open.")
    database_pool_overflow: int = Field(
        10, ge=0, description="PostgreSQL connections that each process may open beyond those, for a while."
    )
