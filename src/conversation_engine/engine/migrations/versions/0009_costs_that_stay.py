"""What was spent stays on record when its conversation is deleted; calls made elsewhere belong to no turn."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_KEPT = "kept_llm_requests"
_CONVERSATION = "fk_llm_requests_conversation_id_conversations"


def upgrade() -> None:
    _unlink_messages()
    with op.batch_alter_table("llm_requests", schema=None) as batch_op:
        batch_op.drop_constraint(_CONVERSATION, type_="foreignkey")
        batch_op.alter_column("turn_id", existing_type=sa.Uuid(as_uuid=False), nullable=True)
        batch_op.create_index("ix_llm_requests_owner_id", ["owner_id", "created_at"], unique=False)
        batch_op.create_index("ix_llm_requests_created_at", ["created_at"], unique=False)
    _link_messages()


def downgrade() -> None:
    _unlink_messages()
    gone = "conversation_id NOT IN (SELECT id FROM conversations) OR turn_id IS NULL"
    op.execute(f"DELETE FROM llm_requests WHERE {gone}")  # noqa: S608 - ours, every word
    with op.batch_alter_table("llm_requests", schema=None) as batch_op:
        batch_op.drop_index("ix_llm_requests_created_at")
        batch_op.drop_index("ix_llm_requests_owner_id")
        batch_op.alter_column("turn_id", existing_type=sa.Uuid(as_uuid=False), nullable=False)
        batch_op.create_foreign_key(_CONVERSATION, "conversations", ["conversation_id"], ["id"], ondelete="CASCADE")
    _link_messages()


def _unlink_messages() -> None:
    """SQLite rebuilds the table, and the old one takes every message's link along (ON DELETE SET NULL)."""
    op.execute(
        f"CREATE TEMPORARY TABLE {_KEPT} AS "  # noqa: S608 - ours, every word
        "SELECT id, llm_request_id FROM messages WHERE llm_request_id IS NOT NULL"
    )
    op.execute(f"CREATE UNIQUE INDEX ix_{_KEPT} ON {_KEPT} (id)")
    op.execute("UPDATE messages SET llm_request_id = NULL WHERE llm_request_id IS NOT NULL")


def _link_messages() -> None:
    op.execute(
        f"UPDATE messages SET llm_request_id = (SELECT k.llm_request_id FROM {_KEPT} k WHERE k.id = messages.id) "  # noqa: S608 - ours, every word
        f"WHERE id IN (SELECT k.id FROM {_KEPT} k JOIN llm_requests r ON r.id = k.llm_request_id)"
    )
    op.execute(f"DROP TABLE {_KEPT}")
