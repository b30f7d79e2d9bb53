"""Model calls that are no turn's are written down before they are made: a process that dies leaves them to be found."""

import sqlalchemy as sa
from alembic import op

from conversation_engine.infra.db.base import IdType, MoneyType, UtcDateTime

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "begun_calls",
        sa.Column("turn_id", IdType, nullable=False),
        sa.Column("conversation_id", IdType, nullable=False),
        sa.Column("owner_id", sa.String(length=255), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("provider", sa.String(length=50), nullable=False),
        sa.Column("model", sa.String(length=255), nullable=False),
        sa.Column("input_tokens", sa.Integer(), nullable=False),
        sa.Column("cost", MoneyType, nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("held_until", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("turn_id", name=op.f("pk_begun_calls")),
    )


def downgrade() -> None:
    op.drop_table("begun_calls")
