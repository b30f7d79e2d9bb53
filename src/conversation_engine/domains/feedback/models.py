"""The table of feedback."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from conversation_engine.infra.db.base import Base, IdType, JsonType, UtcDateTime


class FeedbackModel(Base):
    """What one author thinks of one message, or of a conversation as a whole."""

    __tablename__ = "feedback"

    id: Mapped[str] = mapped_column(IdType, primary_key=True)
    author_id: Mapped[str] = mapped_column(String(255))
    owner_id: Mapped[str] = mapped_column(String(255))
    supervisor_id: Mapped[str | None] = mapped_column(String(255))
    conversation_id: Mapped[str] = mapped_column(IdType, ForeignKey("conversations.id", ondelete="CASCADE"))
    message_id: Mapped[str | None] = mapped_column(IdType, ForeignKey("messages.id", ondelete="CASCADE"))
    verdict: Mapped[str | None] = mapped_column(String(4))
    rating: Mapped[int | None] = mapped_column(Integer)
    helped: Mapped[str] = mapped_column(Text)
    hindered: Mapped[str] = mapped_column(Text)
    tags: Mapped[list[Any]] = mapped_column(JsonType)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (
        CheckConstraint("verdict IN ('up', 'down')", name="verdict_known"),
        CheckConstraint("rating BETWEEN 1 AND 5", name="rating_known"),
        Index(
            "uq_feedback_message",
            "message_id",
            "author_id",
            unique=True,
            sqlite_where=text("message_id IS NOT NULL"),
            postgresql_where=text("message_id IS NOT NULL"),
        ),
        Index(
            "uq_feedback_conversation",
            "conversation_id",
            "author_id",
            unique=True,
            sqlite_where=text("message_id IS NULL"),
            postgresql_where=text("message_id IS NULL"),
        ),
        Index("ix_feedback_conversation_id", "conversation_id", "id"),
        Index("ix_feedback_supervisor_id", "supervisor_id", "id"),
    )
