"""The role of whoever asked for a turn: limits may go by it when the turn starts or ends."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("turns", sa.Column("role", sa.String(length=20), nullable=True))


def downgrade() -> None:
    op.drop_column("turns", "role")
