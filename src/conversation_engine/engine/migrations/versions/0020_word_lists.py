"""On PostgreSQL words are found in lists, not in a GIN index: what is everywhere must not be read in full."""

import sqlalchemy as sa
from alembic import op

from conversation_engine.infra.db.words import create_index, drop_index

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    tx = op.get_bind()
    if tx.dialect.name == "postgresql":
        drop_index(tx)
        create_index(tx)
        op.execute(sa.update(sa.table("conversations", sa.column("words_through"))).values(words_through=0))


def downgrade() -> None:
    pass
