"""Accounts, sign-ins and the audit log on the wire."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from conversation_engine.domains.users.types import TokenPair, User
from conversation_engine.infra.audit.types import AuditEvent
from conversation_engine.kernel.people import Role


class RequestBody(BaseModel):
    """A body with a field that we do not know is refused rather than half understood."""

    model_config = ConfigDict(extra="forbid")


class SignInBody(RequestBody):
    """What every way in can be asked."""

    stay: bool = Field(
        False,
        description="The refresh token is to stay the same while the sign-in lasts: for a browser's cookie that no "
        "script can read.",
    )


class PasswordIn(SignInBody):
    """A name and a password."""

    login: str = Field(max_length=1000)
    password: str = Field(max_length=1000)


class RefreshIn(RequestBody):
    """The newest refresh token of a sign-in."""

    refresh_token: str = Field(max_length=1000)


class LinkIn(SignInBody):
    """The code of a one-time sign-in link."""

    code: str = Field(max_length=4000)


class TokenOut(BaseModel):
    """What a sign-in gives."""

    access_token: str
    token_type: str = "bearer"  # noqa: S105 - the name of a scheme
    expires_in: int = Field(description="Seconds until the access token expires.")
    refresh_token: str = Field(description="Good for one `POST /auth/refresh`, which gives the next, unless it stays.")
    user_id: str
    role: Role

    @staticmethod
    def of(pair: TokenPair) -> "TokenOut":
        """The wire shape."""
        return TokenOut(
            access_token=pair.access_token,
            expires_in=pair.expires_in_seconds,
            refresh_token=pair.refresh_token,
            user_id=pair.user_id,
            role=pair.role,
        )


class OwnPasswordIn(RequestBody):
    """Another password for oneself."""

    old: str = Field(max_length=1000)
    new: str = Field(max_length=1000)


class UserIn(RequestBody):
    """An account to make."""

    login: str = Field(description="What they type to sign in; small and capital letters are the same.")
    name: str = Field("", description="What others see; unset: the login.")
    role: Role = Role.STUDENT
    password: str | None = Field(None, description="Unset: they come in by a one-time link.", max_length=1000)


class UserChange(RequestBody):
    """What to change; what is not named stays."""

    name: str | None = None
    role: Role | None = None
    is_active: bool | None = None


class SetPasswordIn(RequestBody):
    """A password for somebody else."""

    password: str = Field(max_length=1000)


class UserOut(BaseModel):
    """An account."""

    id: str
    login: str | None
    name: str
    role: Role
    issuer: str | None = Field(description="Who vouches for them; null: this service.")
    has_password: bool
    is_active: bool
    created_at: datetime
    updated_at: datetime
    last_sign_in_at: datetime | None

    @staticmethod
    def of(user: User) -> "UserOut":
        """The wire shape."""
        return UserOut(
            id=user.id,
            login=user.login,
            name=user.name,
            role=user.role,
            issuer=user.issuer,
            has_password=user.has_password,
            is_active=user.is_active,
            created_at=user.created_at,
            updated_at=user.updated_at,
            last_sign_in_at=user.last_sign_in_at,
        )


class UserPage(BaseModel):
    """Some accounts, by id."""

    items: list[UserOut]
    next: str | None = Field(description="`cursor` of the page after this one.")
    previous: str | None = Field(description="`cursor` of the page before this one.")


class Me(BaseModel):
    """Who the caller is."""

    user_id: str
    role: Role
    account: UserOut | None = Field(description="Null for tokens of `convo token`, which need no account.")


class LinkOut(BaseModel):
    """A one-time sign-in link."""

    url: str


class EndedOut(BaseModel):
    """What was ended."""

    ended: int = Field(description="Sign-ins.")


class AuditEventOut(BaseModel):
    """A deed on record."""

    id: str
    at: datetime
    action: str
    actor_id: str | None
    subject_id: str | None
    target: str | None
    address: str | None
    details: dict[str, Any]

    @staticmethod
    def of(event: AuditEvent) -> "AuditEventOut":
        """The wire shape."""
        deed = event.deed
        return AuditEventOut(
            id=event.id,
            at=event.at,
            action=deed.action,
            actor_id=deed.actor_id,
            subject_id=deed.subject_id,
            target=deed.target,
            address=deed.address,
            details=dict(deed.details),
        )


class AuditPage(BaseModel):
    """Some deeds, newest first."""

    items: list[AuditEventOut]
    next: str | None = Field(description="`cursor` of the page after this one.")
    previous: str | None = Field(description="`cursor` of the page before this one.")
