"""Every verb that changes something honours keys: answers are kept where a service does not make them again."""

import sqlalchemy as sa
from alembic import op

from conversation_engine.infra.db.base import JsonType

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("idempotency_keys", sa.Column("answer", JsonType, nullable=True))


def downgrade() -> None:
    op.drop_column("idempotency_keys", "answer")
