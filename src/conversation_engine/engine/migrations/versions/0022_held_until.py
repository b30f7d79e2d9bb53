"""Promises of model calls that are no turn's are held by a lease, as turns are: a process that dies leaves none behind.

Those that are open are given up after an hour, as before.
"""

import sqlalchemy as sa
from alembic import op

from conversation_engine.infra.db.base import UtcDateTime

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("ledger", sa.Column("held_until", UtcDateTime(), nullable=True))


def downgrade() -> None:
    op.drop_column("ledger", "held_until")
