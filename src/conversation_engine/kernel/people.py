"""Who is asking."""

from dataclasses import dataclass
from enum import StrEnum

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
