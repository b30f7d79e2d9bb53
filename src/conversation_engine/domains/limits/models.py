"""Tables of budgets."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import BigInteger, Index, Integer, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from conversation_engine.infra.db.base import Base, IdType, MoneyType, UtcDateTime


class BudgetModel(Base):
    """A bound on what may be spent, as an admin set it."""

    __tablename__ = "budgets"

    id: Mapped[str] = mapped_column(IdType, primary_key=True)
    scope: Mapped[str] = mapped_column(String(20))
    subject: Mapped[str] = mapped_column(String(255))
    period: Mapped[str] = mapped_column(String(10))
    dollars: Mapped[Decimal | None] = mapped_column(MoneyType)
    tokens: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (UniqueConstraint("scope", "subject", "period"),)


class BudgetAccountModel(Base):
    """What one subject has spent and promised in one period; the id follows from the other columns of its name."""

    __tablename__ = "budget_accounts"

    id: Mapped[str] = mapped_column(IdType, primary_key=True)
    scope: Mapped[str] = mapped_column(String(20))
    subject: Mapped[str] = mapped_column(String(255))
    period: Mapped[str] = mapped_column(String(10))
    period_name: Mapped[str] = mapped_column(String(10))
    spent_dollars: Mapped[Decimal] = mapped_column(MoneyType, default=Decimal(0))
    spent_tokens: Mapped[int] = mapped_column(BigInteger, default=0)
    reserved_dollars: Mapped[Decimal] = mapped_column(MoneyType, default=Decimal(0))
    reserved_tokens: Mapped[int] = mapped_column(BigInteger, default=0)
    alerted_percent: Mapped[int] = mapped_column(Integer, default=0)


class RefusalModel(Base):
    """How often a rule of rates refused somebody in an hour; never what they asked."""

    __tablename__ = "rate_refusals"

    hour: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    rule: Mapped[str] = mapped_column(String(100), primary_key=True)
    owner_id: Mapped[str] = mapped_column(String(255), primary_key=True)
    """Who was refused."""
    refused: Mapped[int] = mapped_column(BigInteger)
    last_at: Mapped[datetime] = mapped_column(UtcDateTime)


class LedgerModel(Base):
    """What one turn promised one account, and what it came to. A row that is not settled is a reservation.

    No foreign key to the turn: what was spent stays spent when its conversation is deleted.
    """

    __tablename__ = "ledger"

    turn_id: Mapped[str] = mapped_column(IdType, primary_key=True)
    account_id: Mapped[str] = mapped_column(IdType, primary_key=True)
    cap_dollars: Mapped[Decimal | None] = mapped_column(MoneyType)
    cap_tokens: Mapped[int | None] = mapped_column(BigInteger)
    reserved_dollars: Mapped[Decimal] = mapped_column(MoneyType)
    reserved_tokens: Mapped[int] = mapped_column(BigInteger)
    dollars: Mapped[Decimal | None] = mapped_column(MoneyType)
    tokens: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    held_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Of a call that is no turn's: its process says so again and again. NULL: a turn's, held by the turn's lease."""
    settled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    __table_args__ = (
        Index(
            "ix_ledger_reservations",
            "turn_id",
            sqlite_where=text("settled_at IS NULL"),
            postgresql_where=text("settled_at IS NULL"),
        ),
    )
