"""What one can do with accounts."""

import unicodedata
from dataclasses import replace
from datetime import timedelta

from conversation_engine.domains.users.errors import (
    BadCredentialsError,
    LastAdminError,
    UserExistsError,
    UserNotFoundError,
)
from conversation_engine.domains.users.passwords import Passwords, check_password
from conversation_engine.domains.users.repo import SignInRepo, UserRepo
from conversation_engine.domains.users.revocations import Ended, Revocations
from conversation_engine.domains.users.settings import SignInSettings
from conversation_engine.domains.users.types import NewUser, User, UserFilter
from conversation_engine.infra.audit.service import AuditLog
from conversation_engine.infra.audit.types import Deed
from conversation_engine.infra.db.database import ConstraintViolation, Database, Tx
from conversation_engine.infra.ids import new_id
from conversation_engine.kernel.clock import Clock
from conversation_engine.kernel.ids import UserId
from conversation_engine.kernel.paging import Cursor, Page, make_page
from conversation_engine.kernel.people import Principal, Role, require_role
from conversation_engine.kernel.text import checked_text, storable

LOGIN_LIMIT_CHARACTERS = 255
NAME_LIMIT_CHARACTERS = 255
ADDRESS_LIMIT_CHARACTERS = 64


def canonical_login(login: str) -> str:
    """The one spelling of a sign-in name: `Ada ` and `ada` are the same person."""
    return unicodedata.normalize("NFKC", storable(login)).strip().casefold()


class AccountService:
    """The door to accounts. For admins, but for what says `own`; every change is on record.

    All raise RoleForbiddenError for others, UserNotFoundError for an unknown account.
    """

    def __init__(
        self, database: Database, *, clock: Clock, settings: SignInSettings, passwords: Passwords, audit: AuditLog
    ) -> None:
        self._database = database
        self.clock = self._clock = clock
        self._access_lifetime = timedelta(minutes=settings.access_token_minutes)
        self.passwords = self._passwords = passwords
        self._audit = audit
        self._users = UserRepo()
        self._sign_ins = SignInRepo()
        self.revocations = Revocations(self._read_ended, seconds=settings.revocation_seconds)

    async def create(self, caller: Principal, new: NewUser) -> User:
        """A new account. Raises UserExistsError, WeakPasswordError, InvalidTextError."""
        require_role(caller, Role.ADMIN)
        login = canonical_login(checked_text(new.login, name="sign-in name", limit_characters=LOGIN_LIMIT_CHARACTERS))
        name = new.name.strip() or login
        checked_text(name, name="name", limit_characters=NAME_LIMIT_CHARACTERS)
        password_hash = None
        if new.password is not None:
            check_password(new.password, login=login)
            password_hash = await self._passwords.hash(new.password)
        user = self._new_user(login, name, new.role)

        def work(tx: Tx) -> User:
            self._users.insert(tx, user, password_hash=password_hash)
            self._record(tx, caller, "user.created", user.id, role=user.role.value)
            return self._found(tx, user.id)

        try:
            return await self._database.write(work)
        except ConstraintViolation as error:
            raise UserExistsError(login) from error

    async def get(self, caller: Principal, user_id: UserId) -> User:
        """One account."""
        require_role(caller, Role.ADMIN)
        return await self._database.read(lambda tx: self._found(tx, user_id))

    async def list_of(
        self, caller: Principal, wanted: UserFilter, *, cursor: str | None = None, limit: int = 50
    ) -> Page[User]:
        """Accounts by id."""
        require_role(caller, Role.ADMIN)
        at = None if cursor is None else Cursor.decode(cursor, types=(str,))
        rows = await self._database.read(lambda tx: self._users.list_of(tx, wanted, cursor=at, count=limit + 1))
        return make_page(rows, limit=limit, cursor=at, key_of=lambda row: (row.id,))

    async def change(
        self,
        caller: Principal,
        user_id: UserId,
        *,
        name: str | None = None,
        role: Role | None = None,
        is_active: bool | None = None,
    ) -> User:
        """Change what is not `None`. Another role, or closing the account, ends all of the user's sign-ins.

        Raises LastAdminError when nobody would be left to manage accounts.
        """
        require_role(caller, Role.ADMIN)
        values: dict[str, object] = {}
        if name is not None:
            values["name"] = checked_text(name, name="name", limit_characters=NAME_LIMIT_CHARACTERS)
        if role is not None:
            values["role"] = role.value
        if is_active is not None:
            values["is_active"] = is_active

        def work(tx: Tx) -> tuple[User, list[str]]:
            before = self._found(tx, user_id)
            after = replace(before, role=role or before.role, is_active=_or(is_active, before.is_active))
            if _is_admin(before) and not _is_admin(after) and not self._users.count_other_admins(tx, user_id):
                raise LastAdminError
            self._users.update(tx, user_id, updated_at=self._clock.now(), **values)
            self._record(tx, caller, "user.changed", user_id, **values)
            is_over = after.role is not before.role or not after.is_active
            return self._found(tx, user_id), self._end_all(tx, user_id) if is_over else []

        user, ended = await self._database.write(work)
        await self._know(ended)
        return user

    async def set_password(self, caller: Principal, user_id: UserId, password: str) -> None:
        """Give them another password; ends all of their sign-ins."""
        require_role(caller, Role.ADMIN)
        user = await self.get(caller, user_id)
        await self._set_password(caller, user, password)

    async def end_sign_ins(self, caller: Principal, user_id: UserId) -> int:
        """Sign them out everywhere; how many sign-ins these were."""
        require_role(caller, Role.ADMIN)

        def work(tx: Tx) -> list[str]:
            self._found(tx, user_id)
            ended = self._end_all(tx, user_id)
            self._record(tx, caller, "user.signed_out", user_id, sign_ins=len(ended))
            return ended

        ended = await self._database.write(work)
        await self._know(ended)
        return len(ended)

    # ── one's own ──

    async def find_own(self, caller: Principal) -> User | None:
        """The caller's account; `None` for who came with a token of `convo token`."""
        return await self._database.read(lambda tx: self._users.find(tx, caller.user_id))

    async def change_own_password(self, caller: Principal, *, old: str, new: str) -> None:
        """Raises BadCredentialsError when `old` is not it. Ends all of the caller's sign-ins, this one too."""
        user_id = caller.user_id
        user = await self.find_own(caller)
        known = await self._database.read(lambda tx: self._users.find_password_hash(tx, user_id))
        is_right, _ = await self._passwords.verify(old, known)
        if user is None or not is_right:
            raise BadCredentialsError
        await self._set_password(caller, user, new)

    # ── for other rooms: these join the caller's transaction ──

    def end_all(self, tx: Tx, user_id: UserId) -> list[str]:
        """End all of a user's sign-ins; hand the result to `revocations.add` when `tx` is through."""
        return self._end_all(tx, user_id)

    def check_not_last_admin(self, tx: Tx, user_id: UserId) -> None:
        """Raises LastAdminError when nobody would be left to manage accounts without this one."""
        user = self._users.find(tx, user_id)
        if user is not None and _is_admin(user) and not self._users.count_other_admins(tx, user_id):
            raise LastAdminError

    # ── inside ──

    def _new_user(self, login: str, name: str, role: Role) -> User:
        now = self._clock.now()
        return User(
            id=UserId(new_id()),
            login=login,
            name=name,
            role=role,
            issuer=None,
            has_password=False,
            is_active=True,
            created_at=now,
            updated_at=now,
            last_sign_in_at=None,
        )

    async def _set_password(self, caller: Principal, user: User, password: str) -> None:
        check_password(password, login=user.login or "")
        password_hash = await self._passwords.hash(password)

        def work(tx: Tx) -> list[str]:
            self._users.update(tx, user.id, password_hash=password_hash, updated_at=self._clock.now())
            self._record(tx, caller, "user.password_set", user.id)
            return self._end_all(tx, user.id)

        await self._know(await self._database.write(work))

    def _end_all(self, tx: Tx, user_id: UserId) -> list[str]:
        now = self._clock.now()
        alive = list(self._sign_ins.list_alive(tx, user_id))
        self._sign_ins.revoke(tx, alive, at=now, until=now + self._access_lifetime)
        return alive

    async def _know(self, ended: list[str]) -> None:
        self.revocations.add(ended)
        await self.revocations.refresh()

    async def _read_ended(self) -> Ended:
        now = self._clock.now()

        def work(tx: Tx) -> Ended:
            return Ended(
                sign_in_ids=frozenset(self._sign_ins.list_revoked(tx, now=now)),
                user_ids=frozenset(self._users.list_inactive(tx)),
            )

        return await self._database.read(work)

    def _found(self, tx: Tx, user_id: UserId) -> User:
        found = self._users.find(tx, user_id)
        if found is None:
            raise UserNotFoundError(user_id)
        return found

    def _record(self, tx: Tx, caller: Principal, action: str, user_id: UserId, **details: object) -> None:
        deed = Deed(action=action, actor_id=caller.user_id, subject_id=user_id, details=details)
        self._audit.record(tx, deed)


def _is_admin(user: User) -> bool:
    return user.role is Role.ADMIN and user.is_active


def _or(value: bool | None, otherwise: bool) -> bool:
    return otherwise if value is None else value
