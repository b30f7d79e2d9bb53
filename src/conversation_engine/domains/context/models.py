"""The table of summaries."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from conversation_engine.infra.db.base import Base, IdType, UtcDateTime


class SummaryModel(Base):
    """What was said up to a message, in short. It goes with that message, and so with any that it covers."""

    __tablename__ = "summaries"

    id: Mapped[str] = mapped_column(IdType, primary_key=True)
    conversation_id: Mapped[str] = mapped_column(IdType, ForeignKey("conversations.id", ondelete="CASCADE"))
    owner_id: Mapped[str] = mapped_column(String(255))
    first_sequence: Mapped[int] = mapped_column(Integer)
    last_sequence: Mapped[int] = mapped_column(Integer)
    last_message_id: Mapped[str] = mapped_column(IdType, ForeignKey("messages.id", ondelete="CASCADE"))
    text: Mapped[str] = mapped_column(Text)
    """Empty where the model gave none that could be used: nobody tries again before the next block."""
    token_count: Mapped[int] = mapped_column(Integer)
    model: Mapped[str] = mapped_column(String(255))
    llm_request_id: Mapped[str | None] = mapped_column(IdType)
    error_code: Mapped[str | None] = mapped_column(String(50))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (
        Index("ix_summaries_conversation_id", "conversation_id", "last_sequence"),
        Index("uq_summaries_last_message_id", "last_message_id", unique=True),
    )
