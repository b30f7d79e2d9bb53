"""The table of changes."""

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from conversation_engine.infra.db.base import Base, IdType


class WarehouseChangeModel(Base):
    """What is not as it was in the warehouse: ids alone. Written by triggers, which there are only where it is fed."""

    __tablename__ = "warehouse_changes"

    subject: Mapped[str] = mapped_column(String(10), primary_key=True)
    subject_id: Mapped[str] = mapped_column(IdType, primary_key=True)
    generation: Mapped[int] = mapped_column(BigInteger)
