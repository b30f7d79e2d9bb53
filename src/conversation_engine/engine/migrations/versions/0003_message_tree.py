"""Messages are a tree: every message has a parent, every conversation an active leaf."""

import sqlalchemy as sa
from alembic import op

from conversation_engine.infra.db.base import IdType

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # `conversations` is altered in place: to rebuild it, as a batch may do on SQLite, drops the old table, and that
    # takes every message along (ON DELETE CASCADE).
    op.add_column("conversations", sa.Column("active_leaf_id", IdType, nullable=True))
    op.add_column("conversations", sa.Column("last_parent_id", IdType, nullable=True))
    op.add_column("conversations", sa.Column("is_branched", sa.Boolean(), server_default=sa.false(), nullable=False))
    # No message has a parent while SQLite rebuilds `messages`: the key of the new table would hold on to the old one.
    op.execute(sa.update(sa.table("messages", sa.column("parent_id"))).values(parent_id=None))
    with op.batch_alter_table("messages", schema=None) as batch_op:
        batch_op.create_foreign_key(op.f("fk_messages_parent_id_messages"), "messages", ["parent_id"], ["id"])
        batch_op.create_index("ix_messages_parent_id", ["parent_id", "conversation_id"], unique=False)
    _follow_the_order()


def downgrade() -> None:
    with op.batch_alter_table("messages", schema=None) as batch_op:
        batch_op.drop_index("ix_messages_parent_id")
        batch_op.drop_constraint(op.f("fk_messages_parent_id_messages"), type_="foreignkey")
    op.drop_column("conversations", "is_branched")
    op.drop_column("conversations", "last_parent_id")
    op.drop_column("conversations", "active_leaf_id")


def _follow_the_order() -> None:
    """What was said so far is one line: each message follows the one before it, the last is the leaf."""
    conversations = sa.table("conversations", *_columns("id", "active_leaf_id"))
    messages = sa.table("messages", *_columns("id", "conversation_id", "parent_id", "sequence_number"))
    before = messages.alias()
    newest_first = sa.select(before.c.id).order_by(before.c.sequence_number.desc()).limit(1)
    previous = newest_first.where(
        before.c.conversation_id == messages.c.conversation_id,
        before.c.sequence_number < messages.c.sequence_number,
    )
    last = newest_first.where(before.c.conversation_id == conversations.c.id)
    op.execute(sa.update(messages).values(parent_id=previous.scalar_subquery()))
    op.execute(sa.update(conversations).values(active_leaf_id=last.scalar_subquery()))


def _columns(*names: str) -> list[sa.ColumnClause[object]]:
    return [sa.column(name) for name in names]
