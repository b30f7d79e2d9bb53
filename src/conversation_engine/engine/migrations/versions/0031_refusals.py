"""Whom rules of rates refused."""

import sqlalchemy as sa
from alembic import op

from conversation_engine.infra.db.base import UtcDateTime

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rate_refusals",
        sa.Column("hour", UtcDateTime(), nullable=False),
        sa.Column("rule", sa.String(length=100), nullable=False),
        sa.Column("owner_id", sa.String(length=255), nullable=False),
        sa.Column("refused", sa.BigInteger(), nullable=False),
        sa.Column("last_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("hour", "rule", "owner_id", name=op.f("pk_rate_refusals")),
    )


def downgrade() -> None:
    op.drop_table("rate_refusals")
