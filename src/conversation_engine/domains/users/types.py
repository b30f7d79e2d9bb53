"""The words of accounts."""

from dataclasses import dataclass
from datetime import datetime

from conversation_engine.kernel.ids import UserId
from conversation_engine.kernel.people import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """An account."""

    id: UserId
    login: str | None
    """What they type to sign in; `None` for people of another issuer."""
    name: str
    """What others see."""
    role: Role
    issuer: str | None
    """Who vouches for them; `None`: we do."""
    has_password: bool
    is_active: bool
    """False: every token of theirs is refused."""
    created_at: datetime
    updated_at: datetime
    last_sign_in_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUser:
    """An account to make; without a password they sign in by a one-time link."""

    login: str
    name: str = ""
    role: Role = Role.STUDENT
    password: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserFilter:
    """Which accounts to list; `None` means any."""

    role: Role | None = None
    is_active: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """Somebody who came in, and may come back with the newest refresh token."""

    id: str
    owner_id: UserId
    role: Role
    """At the time; what counts at a refresh is the account's, where there is one."""
    refresh_hash: str
    previous_hash: str | None
    """Of the refresh token before: who comes with it later on is a thief, or was robbed."""
    rotated_at: datetime
    expires_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPair:
    """What a sign-in gives."""

    access_token: str
    refresh_token: str
    expires_in_seconds: int
    """Of the access token."""
    user_id: UserId
    role: Role
