"""Messages keep our own count of their tokens beside their provider's: windows multiply ours by a model's ratio.

What people said was counted by us before; replies were not always, and are counted when a window next needs them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_messages = sa.table("messages", sa.column("role"), sa.column("token_count"), sa.column("counted_tokens"))


def upgrade() -> None:
    op.add_column("messages", sa.Column("counted_tokens", sa.Integer(), nullable=True))
    said = sa.update(_messages).where(_messages.c.role == "user")
    op.execute(said.values(counted_tokens=_messages.c.token_count))


def downgrade() -> None:
    op.drop_column("messages", "counted_tokens")
