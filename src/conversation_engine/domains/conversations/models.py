"""Tables of this domain."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from conversation_engine.infra.db.base import Base, IdType, JsonType, MoneyType, UtcDateTime


class ConversationModel(Base):
    """A conversation and its running totals."""

    __tablename__ = "conversations"

    id: Mapped[str] = mapped_column(IdType, primary_key=True)
    owner_id: Mapped[str] = mapped_column(String(255))
    type: Mapped[str] = mapped_column(String(50))
    title: Mapped[str | None] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(20))
    system_prompt: Mapped[str | None] = mapped_column(Text)
    model: Mapped[str | None] = mapped_column(String(255))
    on_busy: Mapped[str | None] = mapped_column(String(10))
    collection_ids: Mapped[list[str] | None] = mapped_column(JsonType)
    """Where answers are looked up; NULL: nowhere."""
    has_loans: Mapped[bool] = mapped_column(Boolean, server_default=false())
    """Whether its client was given collections: where it was not, no turn has to look."""
    persona_id: Mapped[str | None] = mapped_column(IdType)
    persona_version: Mapped[int | None] = mapped_column(Integer)
    supervisor_id: Mapped[str | None] = mapped_column(String(255))
    """Who may read along: the client's teacher."""
    sampling: Mapped[dict[str, Any] | None] = mapped_column(JsonType)
    window: Mapped[dict[str, Any] | None] = mapped_column(JsonType)
    """What people chose of its windows."""
    window_start: Mapped[int] = mapped_column(Integer, server_default="0")
    """Where the last turn's window began; the next one begins there again while that fits."""
    summarized_through: Mapped[int] = mapped_column(Integer, server_default="0")
    words_through: Mapped[int] = mapped_column(Integer, server_default="0", info={"relearned": 0})
    has_pins: Mapped[bool] = mapped_column(Boolean, server_default=false())
    """Whether any message may be pinned: where none is, nobody has to look."""
    metadata_: Mapped[dict[str, Any]] = mapped_column("metadata", JsonType)
    message_count: Mapped[int] = mapped_column(Integer, default=0)
    last_sequence: Mapped[int] = mapped_column(Integer, default=0)
    active_leaf_id: Mapped[str | None] = mapped_column(IdType)
    last_parent_id: Mapped[str | None] = mapped_column(IdType)
    """Parent of the message written last: how the update that makes it the leaf tells which leaf it follows."""
    is_branched: Mapped[bool] = mapped_column(Boolean, server_default=false())
    input_tokens: Mapped[int] = mapped_column(BigInteger, default=0)
    output_tokens: Mapped[int] = mapped_column(BigInteger, default=0)
    cost: Mapped[Decimal] = mapped_column(MoneyType, default=Decimal(0))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_message_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    __table_args__ = (
        CheckConstraint("status IN ('active', 'completed', 'archived')", name="status_known"),
        Index("ix_conversations_owner_id", "owner_id", "id"),
        Index(
            "ix_conversations_supervisor_id",
            "supervisor_id",
            "id",
            sqlite_where=text("supervisor_id IS NOT NULL"),
            postgresql_where=text("supervisor_id IS NOT NULL"),
        ),
        Index(
            "uq_conversations_one_session",
            "owner_id",
            "persona_id",
            unique=True,
            sqlite_where=text("status = 'active' AND persona_id IS NOT NULL"),
            postgresql_where=text("status = 'active' AND persona_id IS NOT NULL"),
        ),
    )


class MessageModel(Base):
    """One utterance; `sequence_number` orders it, never a clock."""

    __tablename__ = "messages"

    id: Mapped[str] = mapped_column(IdType, primary_key=True)
    conversation_id: Mapped[str] = mapped_column(IdType, ForeignKey("conversations.id", ondelete="CASCADE"))
    owner_id: Mapped[str] = mapped_column(String(255))
    turn_id: Mapped[str | None] = mapped_column(IdType)
    parent_id: Mapped[str | None] = mapped_column(IdType, ForeignKey("messages.id"))
    llm_request_id: Mapped[str | None] = mapped_column(IdType, ForeignKey("llm_requests.id", ondelete="SET NULL"))
    sequence_number: Mapped[int] = mapped_column(Integer)
    role: Mapped[str] = mapped_column(String(20))
    content: Mapped[str] = mapped_column(Text)
    content_format: Mapped[str] = mapped_column(String(4))
    status: Mapped[str] = mapped_column(String(20))
    is_fallback: Mapped[bool] = mapped_column(Boolean, server_default=false())
    """Beside the status, whose constraint SQLite cannot widen without rebuilding the table."""
    is_pinned: Mapped[bool] = mapped_column(Boolean, server_default=false())
    token_count: Mapped[int | None] = mapped_column(Integer)
    """In the vocabulary of whoever counted."""
    counted_tokens: Mapped[int | None] = mapped_column(Integer)
    """In o200k's, whoever said it: what windows and bounds are worked out from. NULL: count it when it is needed."""
    cost: Mapped[Decimal | None] = mapped_column(MoneyType)
    metadata_: Mapped[dict[str, Any]] = mapped_column("metadata", JsonType)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (
        UniqueConstraint("conversation_id", "sequence_number"),
        CheckConstraint("role IN ('user', 'assistant', 'system')", name="role_known"),
        CheckConstraint("content_format IN ('text', 'json')", name="content_format_known"),
        CheckConstraint("status IN ('complete', 'partial')", name="status_known"),
        Index(
            "ix_messages_llm_request_id",
            "llm_request_id",
            sqlite_where=text("llm_request_id IS NOT NULL"),
            postgresql_where=text("llm_request_id IS NOT NULL"),
        ),
        Index("ix_messages_parent_id", "parent_id"),
        Index(
            "ix_messages_first",
            "conversation_id",
            sqlite_where=text("parent_id IS NULL"),
            postgresql_where=text("parent_id IS NULL"),
        ),
        Index(
            "ix_messages_pinned",
            "conversation_id",
            "sequence_number",
            sqlite_where=text("is_pinned"),
            postgresql_where=text("is_pinned"),
        ),
        {"info": {"parents_first": ("conversation_id", "sequence_number")}},
    )
