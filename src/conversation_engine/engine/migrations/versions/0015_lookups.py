"""Conversations may have collections of documents, and turns say how their answers are looked up."""

import sqlalchemy as sa
from alembic import op

from conversation_engine.infra.db.base import JsonType

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("conversations", sa.Column("collection_ids", JsonType, nullable=True))
    op.add_column("turns", sa.Column("retrieval", JsonType, nullable=True))


def downgrade() -> None:
    op.drop_column("turns", "retrieval")
    op.drop_column("conversations", "collection_ids")
