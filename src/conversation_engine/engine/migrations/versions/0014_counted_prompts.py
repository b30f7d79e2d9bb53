"""Our own count of some prompts, beside the provider's: what a model's tokens per token of ours are learned from."""

import sqlalchemy as sa
from alembic import op

from conversation_engine.infra.db.base import JsonType

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_COUNTED = sa.text("counted IS NOT NULL")


def upgrade() -> None:
    op.add_column("llm_requests", sa.Column("counted", JsonType, nullable=True))
    op.create_index("ix_llm_requests_counted", "llm_requests", ["id"], sqlite_where=_COUNTED, postgresql_where=_COUNTED)


def downgrade() -> None:
    op.drop_index("ix_llm_requests_counted", "llm_requests")
    op.drop_column("llm_requests", "counted")
