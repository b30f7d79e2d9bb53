"""Messages are found by words, phrases and beginnings of words."""

import sqlalchemy as sa
from alembic import op

from conversation_engine.infra.db.base import IdType, RowNumber, TermsType
from conversation_engine.infra.db.finding import create_index, drop_index

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "search_readers",
        sa.Column("number", RowNumber, autoincrement=True, nullable=False),
        sa.Column("owner_id", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_search_readers")),
        sa.UniqueConstraint("owner_id", name=op.f("uq_search_readers_owner_id")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "search_marks",
        sa.Column("conversation_id", IdType, nullable=False),
        sa.Column("through", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name=op.f("fk_search_marks_conversation_id_conversations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("conversation_id", name=op.f("pk_search_marks")),
    )
    op.create_table(
        "message_terms",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("message_id", IdType, nullable=False),
        sa.Column("terms", TermsType, nullable=False),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("fk_message_terms_message_id_messages"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_message_terms")),
        sa.UniqueConstraint("message_id", name=op.f("uq_message_terms_message_id")),
    )
    create_index(op.get_bind())


def downgrade() -> None:
    drop_index(op.get_bind())
    for table in ("message_terms", "search_marks", "search_readers"):
        op.drop_table(table)
