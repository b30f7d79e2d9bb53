"""What is not as it was in the warehouse."""

import sqlalchemy as sa
from alembic import op

from conversation_engine.infra.db.base import IdType

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "warehouse_changes",
        sa.Column("subject", sa.String(length=10), nullable=False),
        sa.Column("subject_id", IdType, nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("subject", "subject_id", name=op.f("pk_warehouse_changes")),
    )


def downgrade() -> None:
    op.drop_table("warehouse_changes")
