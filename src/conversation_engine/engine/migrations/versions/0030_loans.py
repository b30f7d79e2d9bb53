"""Collections that clients know."""

import sqlalchemy as sa
from alembic import op

from conversation_engine.infra.db.base import IdType

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "collection_loans",
        sa.Column("persona_id", IdType, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("collection_id", IdType, nullable=False),
        sa.Column("lender_id", sa.String(length=255), nullable=False),
        _gone_with("persona_id", "personas"),
        _gone_with("collection_id", "collections"),
        sa.PrimaryKeyConstraint("persona_id", "version", "collection_id", name=op.f("pk_collection_loans")),
    )
    op.create_index("ix_collection_loans_collection_id", "collection_loans", ["collection_id"])
    op.add_column("conversations", sa.Column("has_loans", sa.Boolean(), server_default=sa.false(), nullable=False))


def downgrade() -> None:
    op.drop_column("conversations", "has_loans")
    op.drop_table("collection_loans")


def _gone_with(column: str, table: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_collection_loans_{column}_{table}")
    return sa.ForeignKeyConstraint([column], [f"{table}.id"], name=name, ondelete="CASCADE")
