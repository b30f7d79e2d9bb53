"""What a model call wrote to the prompt cache, and how much of what it said was reasoning."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("llm_requests", sa.Column("cache_write_tokens", sa.Integer(), nullable=True))
    op.add_column("llm_requests", sa.Column("reasoning_tokens", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("llm_requests", "reasoning_tokens")
    op.drop_column("llm_requests", "cache_write_tokens")
