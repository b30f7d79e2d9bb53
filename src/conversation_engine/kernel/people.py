"""Who is asking."""

from dataclasses import dataclass
from enum import StrEnum

from conversation_engine.kernel.errors import EngineError, Kind
from conversation_engine.kernel.ids import UserId


class Role(StrEnum):
    """What a person may do beyond their own things."""

    STUDENT = "student"
    TEACHER = "teacher"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """An authenticated caller."""

    user_id: UserId
    role: Role
    sign_in_id: str | None = None
    """The sign-in that gave their token; `None` for tokens of `convo token` and of other issuers."""


class RoleForbiddenError(EngineError):
    """The caller's role does not include this."""

    code = "role_forbidden"
    kind = Kind.FORBIDDEN

    def __init__(self, *allowed: Role) -> None:
        roles = " or ".join(role.value for role in allowed)
        super().__init__(f"That is for the role {roles}. Ask an admin for it.", roles=[role.value for role in allowed])


def require_role(caller: Principal, *allowed: Role) -> None:
    """Raises RoleForbiddenError unless the caller has one of these roles."""
    if caller.role not in allowed:
        raise RoleForbiddenError(*allowed)
