"""Letting in people for whom another issuer vouches."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import jwt

from conversation_engine.domains.users.errors import (
    ExpiredTokenError,
    IdentityConflictError,
    InvalidTokenError,
    WeakSecretError,
)
from conversation_engine.domains.users.external.keys import ALGORITHMS, PublicKeys
from conversation_engine.domains.users.repo import UserRepo
from conversation_engine.domains.users.settings import ExternalIdentitySettings
from conversation_engine.domains.users.tokens import LEAST_SECRET_BYTES, NOBODY
from conversation_engine.domains.users.types import User
from conversation_engine.infra.audit.service import AuditLog
from conversation_engine.infra.audit.types import Deed
from conversation_engine.infra.db.database import ConstraintViolation, Database, Tx
from conversation_engine.kernel.clock import Clock
from conversation_engine.kernel.errors import InvalidTextError
from conversation_engine.kernel.ids import USER_ID_LIMIT_CHARACTERS, UserId
from conversation_engine.kernel.people import Principal, Role
from conversation_engine.kernel.text import checked_text, storable

REMEMBERED: Final = 1024
NAME_LIMIT_CHARACTERS: Final = 255
LEEWAY_SECONDS: Final = 30
"""How far the issuer's clock may be from ours."""


class ExternalIdentity:
    """Checks another issuer's tokens; makes an account for whom it sees first."""

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        settings: ExternalIdentitySettings,
        issuer: str,
        keys: PublicKeys | None,
        audit: AuditLog,
    ) -> None:
        """Raises WeakSecretError for a shared key of under 32 bytes."""
        self._secrets = [secret.get_secret_value() for secret in settings.external_secrets]
        if any(len(secret.encode()) < LEAST_SECRET_BYTES for secret in self._secrets):
            raise WeakSecretError(LEAST_SECRET_BYTES)
        self._database = database
        self._clock = clock
        self._settings = settings
        self._issuer = issuer
        self._keys = keys
        self._audit = audit
        self._users = UserRepo()
        self._remembered: dict[str, tuple[Principal, int, int]] = {}
        """Token → who, until when, and which generation of keys said so."""

    async def admit(self, token: str) -> Principal:
        """Who a token speaks for. One statement where it was not seen before, two more for a new person.

        Raises InvalidTokenError, ExpiredTokenError, IdentityConflictError, IdentityUnavailableError.
        """
        known = self._remembered.get(token)
        if known is None or known[2] != self._generation():
            known = await self._checked(token)
        principal, expires_at, _ = known
        if expires_at + LEEWAY_SECONDS <= self._clock.now().timestamp():
            raise ExpiredTokenError
        return principal

    def _generation(self) -> int:
        return self._keys.generation if self._keys else 0

    async def _checked(self, token: str) -> tuple[Principal, int, int]:
        claims = await self._claims(token)
        user_id, role, name = self._mapped(claims)
        principal = await self._known(user_id, role, name)
        while len(self._remembered) >= REMEMBERED:
            self._remembered.pop(next(iter(self._remembered)))
        self._remembered[token] = known = principal, _whole(claims["exp"]), self._generation()
        return known

    async def _claims(self, token: str) -> Mapping[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
            algorithm, key_id = header.get("alg"), header.get("kid")
            if algorithm == "HS256":
                return self._by_secret(token)
            key = await self._keys.find(key_id) if self._keys and algorithm in ALGORITHMS else None
            if key is None or key.algorithm_name != algorithm:
                raise InvalidTokenError
            return self._decoded(token, key.key, str(algorithm))
        except (jwt.InvalidTokenError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise InvalidTokenError from error

    def _by_secret(self, token: str) -> Mapping[str, Any]:
        for secret in self._secrets:
            try:
                return self._decoded(token, secret, "HS256")
            except jwt.InvalidSignatureError:
                continue
        raise InvalidTokenError

    def _decoded(self, token: str, key: Any, algorithm: str) -> Mapping[str, Any]:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=self._settings.external_audience,
            issuer=self._issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "iss", "aud"], "verify_exp": False},
        )
        return claims

    def _mapped(self, claims: Mapping[str, Any]) -> tuple[UserId, Role, str]:
        found = _claim(claims, self._settings.external_id_claim)
        if not isinstance(found, str) or found == NOBODY:
            raise InvalidTokenError
        try:
            user_id = checked_text(found, name="user id", limit_characters=USER_ID_LIMIT_CHARACTERS)
        except InvalidTextError as error:
            raise InvalidTokenError from error
        name = _claim(claims, self._settings.external_name_claim)
        shown = storable(name)[:NAME_LIMIT_CHARACTERS] if isinstance(name, str) and name.strip() else user_id
        return UserId(user_id), self._role(claims), shown

    def _role(self, claims: Mapping[str, Any]) -> Role:
        """The highest role that one of its words stands for; who has none is a student."""
        said = _claim(claims, self._settings.external_role_claim)
        words: Sequence[Any] = said if isinstance(said, list) else [said]
        table = {role.value: role.value for role in Role} if not self._settings.external_roles else {}
        table |= self._settings.external_roles
        roles = {table.get(word) for word in words if isinstance(word, str)}
        return next((role for role in (Role.ADMIN, Role.TEACHER) if role.value in roles), Role.STUDENT)

    async def _known(self, user_id: UserId, role: Role, name: str) -> Principal:
        found = await self._database.read(lambda tx: self._users.find(tx, user_id))
        if found is None:
            found = await self._created(user_id, role, name)
        elif found.issuer == self._issuer and (found.role, found.name) != (role, name):
            values = {"role": role.value, "name": name, "updated_at": self._clock.now()}
            await self._database.write(lambda tx: self._users.update(tx, user_id, **values))
        if found.issuer != self._issuer:
            raise IdentityConflictError
        return Principal(user_id=user_id, role=role)

    async def _created(self, user_id: UserId, role: Role, name: str) -> User:
        now = self._clock.now()
        user = User(
            id=user_id,
            login=None,
            name=name,
            role=role,
            issuer=self._issuer,
            has_password=False,
            is_active=True,
            created_at=now,
            updated_at=now,
            last_sign_in_at=None,
        )

        def work(tx: Tx) -> None:
            self._users.insert(tx, user, password_hash=None)
            details = {"issuer": self._issuer, "role": role.value}
            self._audit.record(
                tx, Deed(action="user.first_seen", actor_id=user_id, subject_id=user_id, details=details)
            )

        try:
            await self._database.write(work)
        except ConstraintViolation:  # another request saw them first
            return await self._database.read(lambda tx: self._users.find(tx, user_id)) or user
        return user


def _claim(claims: Mapping[str, Any], path: str) -> Any:
    found: Any = claims
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _whole(value: Any) -> int:
    try:
        return int(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidTokenError from error
