"""Every query about accounts and sign-ins."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, case, delete, insert, select, update

from conversation_engine.domains.users.models import (
    RevokedSignInModel,
    SignInModel,
    SignInTryModel,
    UsedLinkModel,
    UserModel,
)
from conversation_engine.domains.users.types import SignIn, User, UserFilter
from conversation_engine.infra.db.database import Tx
from conversation_engine.kernel.ids import UserId
from conversation_engine.kernel.paging import Cursor
from conversation_engine.kernel.people import Role

_users = UserModel.__table__
_sign_ins = SignInModel.__table__
_revoked = RevokedSignInModel.__table__
_used_links = UsedLinkModel.__table__
_tries = SignInTryModel.__table__


class UserRepo:
    """Rows of `users`."""

    def insert(self, tx: Tx, user: User, *, password_hash: str | None) -> None:
        """Write a new account. Raises ConstraintViolation when its id or login is taken."""
        row = {
            "id": user.id,
            "login": user.login,
            "name": user.name,
            "role": user.role.value,
            "issuer": user.issuer,
            "password_hash": password_hash,
            "is_active": user.is_active,
            "created_at": user.created_at,
            "updated_at": user.updated_at,
        }
        tx.execute(insert(_users), row)

    def find(self, tx: Tx, user_id: UserId) -> User | None:
        """The account with this id."""
        row = tx.execute(select(*_users.c).where(_users.c.id == user_id)).first()
        return None if row is None else _user(row)

    def find_by_login(self, tx: Tx, login: str) -> tuple[User, str | None] | None:
        """The account with this sign-in name, and the hash of its password."""
        row = tx.execute(select(*_users.c).where(_users.c.login == login)).first()
        return None if row is None else (_user(row), row.password_hash)

    def find_password_hash(self, tx: Tx, user_id: UserId) -> str | None:
        """The hash of their password, if they have one."""
        found: str | None = tx.scalar(select(_users.c.password_hash).where(_users.c.id == user_id))
        return found

    def update(self, tx: Tx, user_id: UserId, **values: object) -> None:
        """Set columns of one account."""
        tx.execute(update(_users).where(_users.c.id == user_id).values(**values))

    def count_other_admins(self, tx: Tx, user_id: UserId) -> int:
        """Active admins beside this one; they stay what they are until `tx` ends."""
        query = select(_users.c.id).where(
            _users.c.role == Role.ADMIN.value, _users.c.is_active.is_(True), _users.c.id != user_id
        )
        return len(tx.execute(query.with_for_update()).all())

    def list_of(self, tx: Tx, wanted: UserFilter, *, cursor: Cursor | None, count: int) -> Sequence[User]:
        """Accounts by id, from `cursor` in its direction."""
        query = select(*_users.c)
        if wanted.role is not None:
            query = query.where(_users.c.role == wanted.role.value)
        if wanted.is_active is not None:
            query = query.where(_users.c.is_active.is_(wanted.is_active))
        is_backward = cursor is not None and cursor.is_backward
        if cursor is not None:
            [at] = cursor.key
            query = query.where(_users.c.id < at if is_backward else _users.c.id > at)
        query = query.order_by(_users.c.id.desc() if is_backward else _users.c.id).limit(count)
        return [_user(row) for row in tx.execute(query)]

    def list_inactive(self, tx: Tx) -> Sequence[UserId]:
        """Everybody whose tokens are refused."""
        return list(tx.scalars(select(_users.c.id).where(_users.c.is_active.is_(False))))


class SignInRepo:
    """Rows of `sign_ins`, `revoked_sign_ins`, `used_links` and `sign_in_tries`."""

    def insert(self, tx: Tx, sign_in: SignIn, *, at: datetime) -> None:
        """Write a new one, and forget the owner's that are over."""
        tx.execute(delete(_sign_ins).where(_sign_ins.c.owner_id == sign_in.owner_id, _sign_ins.c.expires_at < at))
        row = {
            "id": sign_in.id,
            "owner_id": sign_in.owner_id,
            "role": sign_in.role.value,
            "refresh_hash": sign_in.refresh_hash,
            "rotated_at": sign_in.rotated_at,
            "expires_at": sign_in.expires_at,
            "created_at": at,
        }
        tx.execute(insert(_sign_ins), row)

    def find_and_hold(self, tx: Tx, sign_in_id: str) -> SignIn | None:
        """One sign-in; nobody else changes it before `tx` ends."""
        row = tx.execute(select(*_sign_ins.c).where(_sign_ins.c.id == sign_in_id).with_for_update()).first()
        return None if row is None else _sign_in(row)

    def rotate(self, tx: Tx, sign_in: SignIn, *, refresh_hash: str, at: datetime, expires_at: datetime) -> None:
        """Give it another refresh token."""
        values = {
            "refresh_hash": refresh_hash,
            "previous_hash": sign_in.refresh_hash,
            "rotated_at": at,
            "expires_at": expires_at,
        }
        tx.execute(update(_sign_ins).where(_sign_ins.c.id == sign_in.id).values(**values))

    def list_alive(self, tx: Tx, owner_id: UserId) -> Sequence[str]:
        """The user's sign-ins that are not over."""
        query = select(_sign_ins.c.id).where(_sign_ins.c.owner_id == owner_id, _sign_ins.c.revoked_at.is_(None))
        return list(tx.scalars(query))

    def revoke(self, tx: Tx, ids: Sequence[str], *, at: datetime, until: datetime) -> None:
        """End them: their refresh tokens at once, their access tokens as soon as every process has read it."""
        if not ids:
            return
        alive = (_sign_ins.c.id.in_(ids), _sign_ins.c.revoked_at.is_(None))
        ended = tx.scalars(update(_sign_ins).where(*alive).values(revoked_at=at).returning(_sign_ins.c.id)).all()
        tx.execute(delete(_revoked).where(_revoked.c.expires_at < at))
        if ended:
            tx.execute(insert(_revoked), [{"id": ended_id, "expires_at": until} for ended_id in ended])

    def list_revoked(self, tx: Tx, *, now: datetime) -> Sequence[str]:
        """Sign-ins whose access tokens do not count any more and have not all expired."""
        return list(tx.scalars(select(_revoked.c.id).where(_revoked.c.expires_at >= now)))

    def use_link(self, tx: Tx, link_id: str, *, at: datetime, expires_at: datetime) -> None:
        """Raises ConstraintViolation when it was used before."""
        tx.execute(delete(_used_links).where(_used_links.c.expires_at < at))
        tx.execute(insert(_used_links), {"id": link_id, "expires_at": expires_at})

    def count_try(self, tx: Tx, key: str, *, at: datetime, oldest: datetime) -> tuple[int, datetime]:
        """Count one more: how many these are since when. The row's lock orders those who try at once.

        Raises ConstraintViolation when another process made the row meanwhile: then it counts the second time.
        """
        is_old = _tries.c.began_at < oldest
        count = (
            update(_tries)
            .where(_tries.c.key == key)
            .values(
                count=case((is_old, 1), else_=_tries.c.count + 1),
                began_at=case((is_old, at), else_=_tries.c.began_at),
            )
            .returning(_tries.c.count, _tries.c.began_at)
        )
        row = tx.execute(count).first()
        if row is not None:
            return row[0], row[1]  # a row's `count` is a method of tuples
        tx.execute(delete(_tries).where(_tries.c.began_at < oldest))
        tx.execute(insert(_tries), {"key": key, "count": 1, "began_at": at})
        return 1, at

    def take_back(self, tx: Tx, key: str) -> None:
        """The last try was a good one."""
        tx.execute(update(_tries).where(_tries.c.key == key).values(count=_tries.c.count - 1))

    def forget_tries(self, tx: Tx, keys: Sequence[str]) -> None:
        """They knew the password after all."""
        tx.execute(delete(_tries).where(_tries.c.key.in_(keys)))


def _user(row: Row[Any]) -> User:
    return User(
        id=row.id,
        login=row.login,
        name=row.name,
        role=Role(row.role),
        issuer=row.issuer,
        has_password=row.password_hash is not None,
        is_active=row.is_active,
        created_at=row.created_at,
        updated_at=row.updated_at,
        last_sign_in_at=row.last_sign_in_at,
    )


def _sign_in(row: Row[Any]) -> SignIn:
    return SignIn(
        id=row.id,
        owner_id=row.owner_id,
        role=Role(row.role),
        refresh_hash=row.refresh_hash,
        previous_hash=row.previous_hash,
        rotated_at=row.rotated_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )
