"""The table of background work."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, Integer, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from conversation_engine.infra.db.base import Base, IdType, JsonType, UtcDateTime


class JobModel(Base):
    """Something to be done; the row goes when it is done."""

    __tablename__ = "jobs"

    id: Mapped[str] = mapped_column(IdType, primary_key=True)
    kind: Mapped[str] = mapped_column(String(50))
    key: Mapped[str] = mapped_column(String(255))
    payload: Mapped[dict[str, Any]] = mapped_column(JsonType)
    generation: Mapped[int] = mapped_column(Integer)
    attempts: Mapped[int] = mapped_column(Integer)
    run_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """When it may be claimed: later than now while somebody works on it."""
    lease_owner: Mapped[str | None] = mapped_column(IdType)
    error_code: Mapped[str | None] = mapped_column(String(50))
    died_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (
        UniqueConstraint("kind", "key"),
        Index(
            "ix_jobs_run_at", "run_at", sqlite_where=text("died_at IS NULL"), postgresql_where=text("died_at IS NULL")
        ),
    )
