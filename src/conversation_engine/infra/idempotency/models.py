"""The table of requests that were given a key."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from conversation_engine.infra.db.base import Base, IdType, JsonType, UtcDateTime


class IdempotencyKeyModel(Base):
    """A request that took effect: written in the transaction of the effect, so one never stands without the other.

    Where its answer is kept rather than made again from its result, the result is the request itself.
    """

    __tablename__ = "idempotency_keys"

    owner_id: Mapped[str] = mapped_column(String(255), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    result_id: Mapped[str] = mapped_column(IdType)
    answer: Mapped[dict[str, Any] | None] = mapped_column(JsonType)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (Index("ix_idempotency_keys_created_at", "created_at"),)
