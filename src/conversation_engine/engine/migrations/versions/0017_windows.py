"""What people choose of windows, where windows begin, and pinned messages."""

import sqlalchemy as sa
from alembic import op

from conversation_engine.infra.db.base import JsonType

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_PINNED = sa.text("is_pinned")


def upgrade() -> None:
    op.add_column("conversations", sa.Column("window", JsonType, nullable=True))
    op.add_column("conversations", sa.Column("window_start", sa.Integer(), server_default="0", nullable=False))
    op.add_column("conversations", sa.Column("summarized_through", sa.Integer(), server_default="0", nullable=False))
    op.add_column("conversations", sa.Column("words_through", sa.Integer(), server_default="0", nullable=False))
    op.add_column("conversations", sa.Column("has_pins", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("messages", sa.Column("is_pinned", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_index(
        "ix_messages_pinned",
        "messages",
        ["conversation_id", "sequence_number"],
        sqlite_where=_PINNED,
        postgresql_where=_PINNED,
    )
    op.add_column("turns", sa.Column("window", JsonType, nullable=True))


def downgrade() -> None:
    op.drop_column("turns", "window")
    op.drop_index("ix_messages_pinned", table_name="messages")
    op.drop_column("messages", "is_pinned")
    for name in ("has_pins", "words_through", "summarized_through", "window_start", "window"):
        op.drop_column("conversations", name)
