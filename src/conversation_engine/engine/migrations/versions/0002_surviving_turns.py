"""Turns that survive: idempotency keys, a line of waiting turns, requests to stop."""

import sqlalchemy as sa
from alembic import op

from conversation_engine.infra.db.base import IdType, JsonType, UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_QUEUED = sa.text("state = 'queued'")


def upgrade() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("owner_id", sa.String(length=255), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("result_id", IdType, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("owner_id", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"])
    op.add_column("turns", sa.Column("queued_message", JsonType, nullable=True))
    op.add_column("turns", sa.Column("stop_requested", sa.String(length=20), nullable=True))
    op.create_index(
        "ix_turns_queued", "turns", ["conversation_id", "id"], sqlite_where=_QUEUED, postgresql_where=_QUEUED
    )


def downgrade() -> None:
    op.drop_index("ix_turns_queued", table_name="turns")
    with op.batch_alter_table("turns") as batch_op:
        batch_op.drop_column("stop_requested")
        batch_op.drop_column("queued_message")
    op.drop_index("ix_idempotency_keys_created_at", table_name="idempotency_keys")
    op.drop_table("idempotency_keys")
