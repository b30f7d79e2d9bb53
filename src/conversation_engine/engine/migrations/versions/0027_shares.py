"""Links to conversations."""

import sqlalchemy as sa
from alembic import op

from conversation_engine.infra.db.base import IdType, UtcDateTime

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "conversation_shares",
        sa.Column("id", IdType, nullable=False),
        sa.Column("owner_id", sa.String(length=255), nullable=False),
        sa.Column("conversation_id", IdType, nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("mode", sa.String(length=10), nullable=False),
        sa.Column("leaf_id", IdType, nullable=True),
        sa.Column("has_names", sa.Boolean(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("mode IN ('snapshot', 'live')", name=op.f("ck_conversation_shares_mode_known")),
        _gone_with("conversation_id", "conversations"),
        _gone_with("leaf_id", "messages"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversation_shares")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_conversation_shares_secret_hash")),
    )
    for columns in (["conversation_id", "id"], ["leaf_id"], ["owner_id"]):
        op.create_index(f"ix_conversation_shares_{columns[0]}", "conversation_shares", columns)


def downgrade() -> None:
    op.drop_table("conversation_shares")


def _gone_with(column: str, table: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_conversation_shares_{column}_{table}")
    return sa.ForeignKeyConstraint([column], [f"{table}.id"], name=name, ondelete="CASCADE")
