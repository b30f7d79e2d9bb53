"""Tables of this domain."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from conversation_engine.infra.db.base import Base, IdType, JsonType, UtcDateTime


class PersonaModel(Base):
    """A client; what it is like stands in its versions."""

    __tablename__ = "personas"

    id: Mapped[str] = mapped_column(IdType, primary_key=True)
    owner_id: Mapped[str] = mapped_column(String(255))
    newest_version: Mapped[int] = mapped_column(Integer)
    status: Mapped[str] = mapped_column(String(20))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (
        CheckConstraint("status IN ('active', 'archived')", name="status_known"),
        Index("ix_personas_owner_id", "owner_id", "id"),
    )


class PersonaVersionModel(Base):
    """A profile as it was saved; never changed."""

    __tablename__ = "persona_versions"

    persona_id: Mapped[str] = mapped_column(IdType, ForeignKey("personas.id", ondelete="CASCADE"), primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    profile: Mapped[dict[str, Any]] = mapped_column(JsonType)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class PersonaShareModel(Base):
    """Who may read a client and talk with it, beside its owner; `*` is everybody."""

    __tablename__ = "persona_shares"

    persona_id: Mapped[str] = mapped_column(IdType, ForeignKey("personas.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[str] = mapped_column(String(255), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (Index("ix_persona_shares_user_id", "user_id"),)
