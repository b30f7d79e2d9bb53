"""Tables of this domain."""

from datetime import datetime

from sqlalchemy import Boolean, CheckConstraint, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from conversation_engine.infra.db.base import Base, IdType, UtcDateTime

SECRET = {"secret": True}
"""Marks a column that no export shows."""


class UserModel(Base):
    """An account: of ours with a `login`, or of another issuer."""

    __tablename__ = "users"

    id: Mapped[str] = mapped_column(String(255), primary_key=True)
    login: Mapped[str | None] = mapped_column(String(255), unique=True)
    name: Mapped[str] = mapped_column(String(255))
    role: Mapped[str] = mapped_column(String(20))
    issuer: Mapped[str | None] = mapped_column(String(255))
    password_hash: Mapped[str | None] = mapped_column(String(255), info=SECRET)
    is_active: Mapped[bool] = mapped_column(Boolean)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_sign_in_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    __table_args__ = (CheckConstraint("role IN ('student', 'teacher', 'admin')", name="role_known"),)


class SignInModel(Base):
    """A sign-in with its refresh token, of which only a hash is kept."""

    __tablename__ = "sign_ins"

    id: Mapped[str] = mapped_column(IdType, primary_key=True)
    owner_id: Mapped[str] = mapped_column(String(255))
    role: Mapped[str] = mapped_column(String(20))
    refresh_hash: Mapped[str] = mapped_column(String(64), info=SECRET)
    previous_hash: Mapped[str | None] = mapped_column(String(64), info=SECRET)
    rotated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (Index("ix_sign_ins_owner_id", "owner_id"),)


class RevokedSignInModel(Base):
    """A sign-in whose access tokens no longer count, until the last of them has expired. Nobody's name is in it."""

    __tablename__ = "revoked_sign_ins"

    id: Mapped[str] = mapped_column(IdType, primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)


class UsedLinkModel(Base):
    """A one-time link that was used, until it would have expired."""

    __tablename__ = "used_links"

    id: Mapped[str] = mapped_column(IdType, primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)


class SignInTryModel(Base):
    """How often a sign-in failed; the key is a keyed hash of name and address."""

    __tablename__ = "sign_in_tries"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    count: Mapped[int] = mapped_column(Integer)
    began_at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (Index("ix_sign_in_tries_began_at", "began_at"),)
