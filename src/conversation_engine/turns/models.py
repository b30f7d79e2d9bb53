"""Tables of the write path."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from conversation_engine.infra.db.base import Base, IdType, JsonType, UtcDateTime


class TurnModel(Base):
    """One question and the state of its answer."""

    __tablename__ = "turns"

    id: Mapped[str] = mapped_column(IdType, primary_key=True)
    conversation_id: Mapped[str] = mapped_column(IdType, ForeignKey("conversations.id", ondelete="CASCADE"))
    owner_id: Mapped[str] = mapped_column(String(255))
    role: Mapped[str | None] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(20))
    attempt: Mapped[int] = mapped_column(Integer)
    model: Mapped[str] = mapped_column(String(255))
    system_prompt: Mapped[str | None] = mapped_column(Text)
    parameters: Mapped[dict[str, Any]] = mapped_column(JsonType)
    window: Mapped[dict[str, Any] | None] = mapped_column(JsonType)
    """What people chose of this turn's window."""
    reply_metadata: Mapped[dict[str, Any]] = mapped_column(JsonType)
    retrieval: Mapped[dict[str, Any] | None] = mapped_column(JsonType)
    """How the answer is looked up; NULL: as the conversation says."""
    user_message_id: Mapped[str | None] = mapped_column(IdType)
    reply_message_id: Mapped[str] = mapped_column(IdType)
    queued_message: Mapped[dict[str, Any] | None] = mapped_column(JsonType)
    stop_requested: Mapped[str | None] = mapped_column(String(20))
    lease_owner: Mapped[str | None] = mapped_column(IdType)
    lease_expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    manifest: Mapped[dict[str, Any] | None] = mapped_column(JsonType)
    error_code: Mapped[str | None] = mapped_column(String(50))
    error_detail: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    __table_args__ = (
        CheckConstraint(
            "state IN ('queued', 'running', 'completed', 'failed', 'cancelled', 'interrupted')",
            name="state_known",
        ),
        Index(
            "uq_turns_one_running",
            "conversation_id",
            unique=True,
            sqlite_where=text("state = 'running'"),
            postgresql_where=text("state = 'running'"),
        ),
        Index(
            "ix_turns_lease",
            "lease_expires_at",
            sqlite_where=text("state = 'running'"),
            postgresql_where=text("state = 'running'"),
        ),
        Index(
            "ix_turns_queued",
            "conversation_id",
            "id",
            sqlite_where=text("state = 'queued'"),
            postgresql_where=text("state = 'queued'"),
        ),
        Index("ix_turns_conversation_id", "conversation_id", "id"),
    )


class ReplyCheckpointModel(Base):
    """A piece of a reply that is still being said. Gone when the reply is recorded as a message."""

    __tablename__ = "reply_checkpoints"

    turn_id: Mapped[str] = mapped_column(IdType, ForeignKey("turns.id", ondelete="CASCADE"), primary_key=True)
    attempt: Mapped[int] = mapped_column(Integer, primary_key=True)
    start_offset: Mapped[int] = mapped_column(Integer, primary_key=True)
    text: Mapped[str] = mapped_column(Text)
