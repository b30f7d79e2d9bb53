"""Summaries of what no longer fits into a window."""

import sqlalchemy as sa
from alembic import op

from conversation_engine.infra.db.base import IdType, UtcDateTime

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "summaries",
        sa.Column("id", IdType, nullable=False),
        sa.Column("conversation_id", IdType, nullable=False),
        sa.Column("owner_id", sa.String(length=255), nullable=False),
        sa.Column("first_sequence", sa.Integer(), nullable=False),
        sa.Column("last_sequence", sa.Integer(), nullable=False),
        sa.Column("last_message_id", IdType, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("token_count", sa.Integer(), nullable=False),
        sa.Column("model", sa.String(length=255), nullable=False),
        sa.Column("llm_request_id", IdType, nullable=True),
        sa.Column("error_code", sa.String(length=50), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name=op.f("fk_summaries_conversation_id_conversations"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["last_message_id"], ["messages.id"], name=op.f("fk_summaries_last_message_id_messages"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_summaries")),
    )
    op.create_index("ix_summaries_conversation_id", "summaries", ["conversation_id", "last_sequence"])
    op.create_index("uq_summaries_last_message_id", "summaries", ["last_message_id"], unique=True)


def downgrade() -> None:
    op.drop_table("summaries")
