"""Tables of this domain."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import CheckConstraint, Index, Integer, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from conversation_engine.infra.db.base import Base, IdType, JsonType, MoneyType, UtcDateTime


class LlmRequestModel(Base):
    """One provider call: what was asked of whom, how it went, what it cost."""

    __tablename__ = "llm_requests"

    id: Mapped[str] = mapped_column(IdType, primary_key=True)
    conversation_id: Mapped[str] = mapped_column(IdType)
    """No foreign key: what was spent stays spent when the conversation is deleted."""
    owner_id: Mapped[str] = mapped_column(String(255))
    turn_id: Mapped[str | None] = mapped_column(IdType)
    attempt: Mapped[int] = mapped_column(Integer)
    provider: Mapped[str] = mapped_column(String(50))
    model: Mapped[str] = mapped_column(String(255))
    parameters: Mapped[dict[str, Any]] = mapped_column(JsonType)
    status: Mapped[str] = mapped_column(String(20))
    latency_ms: Mapped[int] = mapped_column(Integer)
    first_token_ms: Mapped[int | None] = mapped_column(Integer)
    input_tokens: Mapped[int | None] = mapped_column(Integer)
    output_tokens: Mapped[int | None] = mapped_column(Integer)
    cached_tokens: Mapped[int | None] = mapped_column(Integer)
    cache_write_tokens: Mapped[int | None] = mapped_column(Integer)
    reasoning_tokens: Mapped[int | None] = mapped_column(Integer)
    usage_source: Mapped[str | None] = mapped_column(String(20))
    counted: Mapped[dict[str, Any] | None] = mapped_column(JsonType)
    """Our own count of the prompt, where the provider's is to be compared with it."""
    cost: Mapped[Decimal | None] = mapped_column(MoneyType)
    finish_reason: Mapped[str | None] = mapped_column(String(50))
    error_code: Mapped[str | None] = mapped_column(String(50))
    error_cause: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (
        CheckConstraint("status IN ('completed', 'failed', 'cancelled')", name="status_known"),
        Index("ix_llm_requests_turn_id", "turn_id"),
        Index("ix_llm_requests_conversation_id", "conversation_id"),
        Index("ix_llm_requests_owner_id", "owner_id", "created_at"),
        Index("ix_llm_requests_created_at", "created_at"),
        Index(
            "ix_llm_requests_failed",
            "created_at",
            sqlite_where=text("status = 'failed'"),
            postgresql_where=text("status = 'failed'"),
        ),
        Index(
            "ix_llm_requests_counted",
            "id",
            sqlite_where=text("counted IS NOT NULL"),
            postgresql_where=text("counted IS NOT NULL"),
        ),
    )
