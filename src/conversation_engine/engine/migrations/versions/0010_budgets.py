"""Budgets, what was spent and promised under them, and events that leave the system."""

import sqlalchemy as sa
from alembic import op

from conversation_engine.infra.db.base import IdType, JsonType, MoneyType, UtcDateTime

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "budgets",
        sa.Column("id", IdType, nullable=False),
        sa.Column("scope", sa.String(length=20), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("period", sa.String(length=10), nullable=False),
        sa.Column("dollars", MoneyType, nullable=True),
        sa.Column("tokens", sa.BigInteger(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_budgets")),
        sa.UniqueConstraint("scope", "subject", "period", name=op.f("uq_budgets_scope_subject_period")),
    )
    op.create_table(
        "budget_accounts",
        sa.Column("id", IdType, nullable=False),
        sa.Column("scope", sa.String(length=20), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("period", sa.String(length=10), nullable=False),
        sa.Column("period_name", sa.String(length=10), nullable=False),
        sa.Column("spent_dollars", MoneyType, nullable=False),
        sa.Column("spent_tokens", sa.BigInteger(), nullable=False),
        sa.Column("reserved_dollars", MoneyType, nullable=False),
        sa.Column("reserved_tokens", sa.BigInteger(), nullable=False),
        sa.Column("alerted_percent", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_budget_accounts")),
    )
    op.create_table(
        "ledger",
        sa.Column("turn_id", IdType, nullable=False),
        sa.Column("account_id", IdType, nullable=False),
        sa.Column("cap_dollars", MoneyType, nullable=True),
        sa.Column("cap_tokens", sa.BigInteger(), nullable=True),
        sa.Column("reserved_dollars", MoneyType, nullable=False),
        sa.Column("reserved_tokens", sa.BigInteger(), nullable=False),
        sa.Column("dollars", MoneyType, nullable=True),
        sa.Column("tokens", sa.BigInteger(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("settled_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("turn_id", "account_id", name=op.f("pk_ledger")),
    )
    op.create_index(
        "ix_ledger_reservations",
        "ledger",
        ["turn_id"],
        sqlite_where=sa.text("settled_at IS NULL"),
        postgresql_where=sa.text("settled_at IS NULL"),
    )
    _create_outbox()


def _create_outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", IdType, nullable=False),
        sa.Column("kind", sa.String(length=50), nullable=False),
        sa.Column("payload", JsonType, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error_code", sa.String(length=50), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("announced_at", UtcDateTime(), nullable=True),
        sa.Column("delivered_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
    op.create_index("ix_outbox_created_at", "outbox", ["created_at"])


def downgrade() -> None:
    for table in ("outbox", "ledger", "budget_accounts", "budgets"):
        op.drop_table(table)
