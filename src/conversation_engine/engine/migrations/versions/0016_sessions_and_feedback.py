"""Sessions with clients, who reads along, and feedback."""

import sqlalchemy as sa
from alembic import op

from conversation_engine.infra.db.base import IdType, JsonType, UtcDateTime

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # In place, as in 0003: to rebuild `conversations` would take every message along.
    op.add_column("conversations", sa.Column("persona_id", IdType, nullable=True))
    op.add_column("conversations", sa.Column("persona_version", sa.Integer(), nullable=True))
    op.add_column("conversations", sa.Column("supervisor_id", sa.String(length=255), nullable=True))
    op.add_column("conversations", sa.Column("sampling", JsonType, nullable=True))
    _partial_index(
        "ix_conversations_supervisor_id", "conversations", ["supervisor_id", "id"], "supervisor_id IS NOT NULL"
    )
    one_active = "status = 'active' AND persona_id IS NOT NULL"
    _partial_index("uq_conversations_one_session", "conversations", ["owner_id", "persona_id"], one_active, unique=True)
    _create_feedback()


def downgrade() -> None:
    op.drop_table("feedback")
    op.drop_index("uq_conversations_one_session", "conversations")
    op.drop_index("ix_conversations_supervisor_id", "conversations")
    for column in ("sampling", "supervisor_id", "persona_version", "persona_id"):
        op.drop_column("conversations", column)


def _create_feedback() -> None:
    op.create_table(
        "feedback",
        sa.Column("id", IdType, nullable=False),
        sa.Column("author_id", sa.String(length=255), nullable=False),
        sa.Column("owner_id", sa.String(length=255), nullable=False),
        sa.Column("supervisor_id", sa.String(length=255), nullable=True),
        sa.Column("conversation_id", IdType, nullable=False),
        sa.Column("message_id", IdType, nullable=True),
        sa.Column("verdict", sa.String(length=4), nullable=True),
        sa.Column("rating", sa.Integer(), nullable=True),
        sa.Column("helped", sa.Text(), nullable=False),
        sa.Column("hindered", sa.Text(), nullable=False),
        sa.Column("tags", JsonType, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("verdict IN ('up', 'down')", name=op.f("ck_feedback_verdict_known")),
        sa.CheckConstraint("rating BETWEEN 1 AND 5", name=op.f("ck_feedback_rating_known")),
        _to("conversation_id", "conversations"),
        _to("message_id", "messages"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feedback")),
    )
    op.create_index("ix_feedback_conversation_id", "feedback", ["conversation_id", "id"])
    op.create_index("ix_feedback_supervisor_id", "feedback", ["supervisor_id", "id"])
    _partial_index(
        "uq_feedback_message", "feedback", ["message_id", "author_id"], "message_id IS NOT NULL", unique=True
    )
    _partial_index(
        "uq_feedback_conversation", "feedback", ["conversation_id", "author_id"], "message_id IS NULL", unique=True
    )


def _to(column: str, table: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_feedback_{column}_{table}")
    return sa.ForeignKeyConstraint([column], [f"{table}.id"], name=name, ondelete="CASCADE")


def _partial_index(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    condition = sa.text(where)
    op.create_index(name, table, columns, unique=unique, sqlite_where=condition, postgresql_where=condition)
