"""Sums of conversations by day, for statistics."""

import sqlalchemy as sa
from alembic import op

from conversation_engine.infra.db.base import IdType, MoneyType, UtcDateTime

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_COUNTS = [
    "user_messages",
    "replies",
    "partial_replies",
    "fallback_replies",
    "lookups",
    "lookups_found",
    "lookups_answerable",
    "lookups_cited",
    "lookups_misquoted",
    "lookup_cache_hits",
    "lookup_cache_misses",
    "timed_messages",
]
_CALLS = ["calls", "failed_calls", "cancelled_calls", "cache_hit_calls"]
_TIMES = ["under_1s", "under_3s", "under_10s", "under_30s"]


def upgrade() -> None:
    op.create_table(
        "conversation_folds",
        sa.Column("conversation_id", IdType, nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        *_whole("last_sequence", "message_count"),
        *_large("input_tokens", "output_tokens"),
        sa.Column("cost", MoneyType(), nullable=False),
        _gone_with_conversation("conversation_folds"),
        sa.PrimaryKeyConstraint("conversation_id", name=op.f("pk_conversation_folds")),
    )
    op.create_table(
        "conversation_days",
        sa.Column("conversation_id", IdType, nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        *_whole(*_COUNTS),
        *_large("processing_us"),
        *_whole(*_CALLS),
        *_large("input_tokens", "cached_tokens", "output_tokens"),
        sa.Column("cost", MoneyType(), nullable=False),
        *_large("latency_ms"),
        *_whole("first_tokens"),
        *_large("first_token_ms"),
        *_whole(*_TIMES),
        _gone_with_conversation("conversation_days"),
        sa.PrimaryKeyConstraint("conversation_id", "day", name=op.f("pk_conversation_days")),
    )
    failed = sa.text("status = 'failed'")
    op.create_index(
        "ix_llm_requests_failed", "llm_requests", ["created_at"], sqlite_where=failed, postgresql_where=failed
    )


def downgrade() -> None:
    op.drop_index("ix_llm_requests_failed", "llm_requests")
    op.drop_table("conversation_days")
    op.drop_table("conversation_folds")


def _whole(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.Integer(), nullable=False) for name in names]


def _large(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in names]


def _gone_with_conversation(table: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_conversation_id_conversations")
    return sa.ForeignKeyConstraint(["conversation_id"], ["conversations.id"], name=name, ondelete="CASCADE")
