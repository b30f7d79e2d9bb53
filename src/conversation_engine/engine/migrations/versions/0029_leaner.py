"""Words of messages take half the bytes, and are indexed again in the background; no entry for a call that is none."""

import sqlalchemy as sa
from alembic import op

from conversation_engine.infra.db.finding import create_index, drop_index

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _index_words_again()
    op.drop_index("ix_messages_llm_request_id", table_name="messages")
    is_of_a_call = sa.text("llm_request_id IS NOT NULL")
    op.create_index(
        "ix_messages_llm_request_id",
        "messages",
        ["llm_request_id"],
        sqlite_where=is_of_a_call,
        postgresql_where=is_of_a_call,
    )


def downgrade() -> None:
    _index_words_again()
    op.drop_index("ix_messages_llm_request_id", table_name="messages")
    op.create_index("ix_messages_llm_request_id", "messages", ["llm_request_id"])


def _index_words_again() -> None:
    drop_index(op.get_bind())
    op.execute("DELETE FROM message_terms")
    op.execute("DELETE FROM search_marks")
    create_index(op.get_bind())
