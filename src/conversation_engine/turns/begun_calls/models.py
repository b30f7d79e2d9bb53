"""The table of calls that are being made."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from conversation_engine.infra.db.base import Base, IdType, MoneyType, UtcDateTime


class BegunCallModel(Base):
    """A model call that is no turn's and has begun, with what it comes to if its process dies. Gone when it has ended.

    Holds nothing of what is asked.
    """

    __tablename__ = "begun_calls"

    turn_id: Mapped[str] = mapped_column(IdType, primary_key=True)
    """What the call has for a turn, in `llm_requests` and in the ledger."""
    conversation_id: Mapped[str] = mapped_column(IdType)
    """No foreign key: what was spent stays spent when the conversation is deleted."""
    owner_id: Mapped[str] = mapped_column(String(255))
    attempt: Mapped[int] = mapped_column(Integer)
    provider: Mapped[str] = mapped_column(String(50))
    model: Mapped[str] = mapped_column(String(255))
    input_tokens: Mapped[int] = mapped_column(Integer)
    cost: Mapped[Decimal | None] = mapped_column(MoneyType)
    """Of the prompt alone; NULL where nobody knows the price."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    held_until: Mapped[datetime] = mapped_column(UtcDateTime)
    """Its process says so again and again while it lives."""
