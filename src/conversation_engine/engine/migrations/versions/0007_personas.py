"""Personas: clients to talk with, their versions, and with whom they are shared."""

import sqlalchemy as sa
from alembic import op

from conversation_engine.infra.db.base import IdType, JsonType, UtcDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "personas",
        sa.Column("id", IdType, nullable=False),
        sa.Column("owner_id", sa.String(length=255), nullable=False),
        sa.Column("newest_version", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("status IN ('active', 'archived')", name=op.f("ck_personas_status_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_personas")),
    )
    op.create_index("ix_personas_owner_id", "personas", ["owner_id", "id"])
    op.create_table(
        "persona_versions",
        sa.Column("persona_id", IdType, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("profile", JsonType, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["persona_id"], ["personas.id"], name=op.f("fk_persona_versions_persona_id_personas"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("persona_id", "version", name=op.f("pk_persona_versions")),
    )
    op.create_table(
        "persona_shares",
        sa.Column("persona_id", IdType, nullable=False),
        sa.Column("user_id", sa.String(length=255), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["persona_id"], ["personas.id"], name=op.f("fk_persona_shares_persona_id_personas"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("persona_id", "user_id", name=op.f("pk_persona_shares")),
    )
    op.create_index("ix_persona_shares_user_id", "persona_shares", ["user_id"])


def downgrade() -> None:
    op.drop_table("persona_shares")
    op.drop_table("persona_versions")
    op.drop_table("personas")
