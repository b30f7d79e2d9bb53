"""The table of links."""

from datetime import datetime

from sqlalchemy import Boolean, CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from conversation_engine.infra.db.base import Base, IdType, UtcDateTime


class ShareModel(Base):
    """A link to a conversation, of whose secret only a hash is kept."""

    __tablename__ = "conversation_shares"

    id: Mapped[str] = mapped_column(IdType, primary_key=True)
    owner_id: Mapped[str] = mapped_column(String(255))
    conversation_id: Mapped[str] = mapped_column(IdType, ForeignKey("conversations.id", ondelete="CASCADE"))
    secret_hash: Mapped[str] = mapped_column(String(64), unique=True, info={"secret": True})
    mode: Mapped[str] = mapped_column(String(10))
    leaf_id: Mapped[str | None] = mapped_column(IdType, ForeignKey("messages.id", ondelete="CASCADE"))
    has_names: Mapped[bool] = mapped_column(Boolean)
    name: Mapped[str | None] = mapped_column(String(255))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (
        CheckConstraint("mode IN ('snapshot', 'live')", name="mode_known"),
        Index("ix_conversation_shares_conversation_id", "conversation_id", "id"),
        Index("ix_conversation_shares_leaf_id", "leaf_id"),
        Index("ix_conversation_shares_owner_id", "owner_id"),
    )
