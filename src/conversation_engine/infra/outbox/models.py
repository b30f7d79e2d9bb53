"""The table of events."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from conversation_engine.infra.db.base import Base, IdType, JsonType, UtcDateTime


class OutboxModel(Base):
    """An event, and how far its delivery has come."""

    __tablename__ = "outbox"

    id: Mapped[str] = mapped_column(IdType, primary_key=True)
    kind: Mapped[str] = mapped_column(String(50))
    payload: Mapped[dict[str, Any]] = mapped_column(JsonType)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    error_code: Mapped[str | None] = mapped_column(String(50))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    announced_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When it was logged and told to listeners."""
    delivered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When the webhook, if there is one, had taken it."""

    __table_args__ = (Index("ix_outbox_created_at", "created_at"),)
