"""Sums by conversation and day. Everything in them can be made again from messages and model calls."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import BigInteger, ForeignKey, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from conversation_engine.infra.db.base import Base, IdType, MoneyType, UtcDateTime


class ConversationFoldModel(Base):
    """How a conversation was when it was added up: where it is otherwise now, its sums no longer count."""

    __tablename__ = "conversation_folds"

    conversation_id: Mapped[str] = mapped_column(
        IdType, ForeignKey("conversations.id", ondelete="CASCADE"), primary_key=True
    )
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_sequence: Mapped[int] = mapped_column(Integer)
    message_count: Mapped[int] = mapped_column(Integer)
    input_tokens: Mapped[int] = mapped_column(BigInteger)
    output_tokens: Mapped[int] = mapped_column(BigInteger)
    cost: Mapped[Decimal] = mapped_column(MoneyType)


class ConversationDayModel(Base):
    """What was said and called in a conversation on one UTC day."""

    __tablename__ = "conversation_days"

    conversation_id: Mapped[str] = mapped_column(
        IdType, ForeignKey("conversations.id", ondelete="CASCADE"), primary_key=True
    )
    day: Mapped[str] = mapped_column(String(10), primary_key=True)
    user_messages: Mapped[int] = mapped_column(Integer)
    replies: Mapped[int] = mapped_column(Integer)
    partial_replies: Mapped[int] = mapped_column(Integer)
    fallback_replies: Mapped[int] = mapped_column(Integer)
    lookups: Mapped[int] = mapped_column(Integer)
    lookups_found: Mapped[int] = mapped_column(Integer)
    lookups_answerable: Mapped[int] = mapped_column(Integer)
    lookups_cited: Mapped[int] = mapped_column(Integer)
    lookups_misquoted: Mapped[int] = mapped_column(Integer)
    lookup_cache_hits: Mapped[int] = mapped_column(Integer)
    lookup_cache_misses: Mapped[int] = mapped_column(Integer)
    timed_messages: Mapped[int] = mapped_column(Integer)
    processing_us: Mapped[int] = mapped_column(BigInteger)
    calls: Mapped[int] = mapped_column(Integer)
    failed_calls: Mapped[int] = mapped_column(Integer)
    cancelled_calls: Mapped[int] = mapped_column(Integer)
    cache_hit_calls: Mapped[int] = mapped_column(Integer)
    input_tokens: Mapped[int] = mapped_column(BigInteger)
    cached_tokens: Mapped[int] = mapped_column(BigInteger)
    output_tokens: Mapped[int] = mapped_column(BigInteger)
    cost: Mapped[Decimal] = mapped_column(MoneyType)
    latency_ms: Mapped[int] = mapped_column(BigInteger)
    first_tokens: Mapped[int] = mapped_column(Integer)
    first_token_ms: Mapped[int] = mapped_column(BigInteger)
    under_1s: Mapped[int] = mapped_column(Integer)
    under_3s: Mapped[int] = mapped_column(Integer)
    under_10s: Mapped[int] = mapped_column(Integer)
    under_30s: Mapped[int] = mapped_column(Integer)
