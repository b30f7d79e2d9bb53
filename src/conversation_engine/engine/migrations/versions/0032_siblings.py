"""Messages under the same one are found by it alone; first messages, which stand under none, by their conversation."""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_messages_parent_id", table_name="messages")
    op.create_index("ix_messages_parent_id", "messages", ["parent_id"])
    is_first = sa.text("parent_id IS NULL")
    op.create_index(
        "ix_messages_first", "messages", ["conversation_id"], sqlite_where=is_first, postgresql_where=is_first
    )


def downgrade() -> None:
    op.drop_index("ix_messages_first", table_name="messages")
    op.drop_index("ix_messages_parent_id", table_name="messages")
    op.create_index("ix_messages_parent_id", "messages", ["parent_id", "conversation_id"])
