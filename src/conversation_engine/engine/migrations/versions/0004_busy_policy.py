"""What a conversation does with a turn that comes while it is still answering."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("conversations", sa.Column("on_busy", sa.String(length=10), nullable=True))


def downgrade() -> None:
    op.drop_column("conversations", "on_busy")
