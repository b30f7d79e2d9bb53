"""Signing in, staying signed in, signing out."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlencode, urlsplit

from conversation_engine.domains.users.errors import (
    BadCredentialsError,
    InvalidLinkError,
    InvalidRefreshTokenError,
    NotASignInError,
    TooManySignInsError,
    UserNotFoundError,
)
from conversation_engine.domains.users.passwords import Passwords
from conversation_engine.domains.users.repo import SignInRepo, UserRepo
from conversation_engine.domains.users.revocations import Revocations
from conversation_engine.domains.users.service import canonical_login
from conversation_engine.domains.users.settings import SignInSettings
from conversation_engine.domains.users.tokens import Link, TokenService
from conversation_engine.domains.users.types import SignIn, TokenPair, User
from conversation_engine.infra.audit.service import AuditLog
from conversation_engine.infra.audit.types import Deed
from conversation_engine.infra.db.database import ConstraintViolation, Database, Tx
from conversation_engine.infra.ids import new_id
from conversation_engine.kernel.clock import Clock
from conversation_engine.kernel.errors import InvalidIdError
from conversation_engine.kernel.ids import UserId, parse_id
from conversation_engine.kernel.people import Principal, Role, require_role

REFRESH_BYTES: Final = 32
REFRESH_GRACE: Final = timedelta(seconds=10)
"""How long the refresh token before still works: the answer with the new one may have been lost."""
KEPT: Final = "~"
"""Begins the secret of a refresh token that stays the same. It is part of what is hashed, so nobody can add it."""
TRIES_OF_A_NAME: Final = 5
TRIES_OF_AN_ADDRESS: Final = 10
"""How many times more often a name may fail from everywhere, and an address with every name: a school is one address,
and nobody may lock somebody else out easily."""


class SignInService:
    """The door for people who come in. Access tokens are short-lived and checked without a statement; a refresh token
    is one row, changes at every use, and works once, unless it was asked to stay (`stays`) for a browser's cookie.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        settings: SignInSettings,
        tokens: TokenService,
        passwords: Passwords,
        revocations: Revocations,
        audit: AuditLog,
        key: bytes,
    ) -> None:
        """`key` keeps the hashes of names and addresses from being guessed."""
        self._database = database
        self._clock = clock
        self._settings = settings
        self._tokens = tokens
        self._passwords = passwords
        self._revocations = revocations
        self._audit = audit
        self._key = key
        self._users = UserRepo()
        self._sign_ins = SignInRepo()

    async def sign_in(self, login: str, password: str, *, address: str | None, stays: bool = False) -> TokenPair:
        """Come in with a name and a password: the same work, whether the name exists or not.

        Raises BadCredentialsError, TooManySignInsError. One password check, five short transactions.
        """
        login = canonical_login(login)
        keys = self._keys(login, address)
        await self._count(keys)
        found = await self._database.read(lambda tx: self._users.find_by_login(tx, login))
        user, known = found or (None, None)
        is_right, better = await self._passwords.verify(password, known)
        if user is None or not is_right or not user.is_active:
            subject_id = user.id if user else None
            await self._audit.note(
                Deed(action="user.sign_in_failed", actor_id=None, subject_id=subject_id, address=address)
            )
            raise BadCredentialsError
        principal = Principal(user_id=user.id, role=user.role)

        def work(tx: Tx) -> TokenPair:
            pair, name, everything = keys
            self._sign_ins.forget_tries(tx, [pair, name])
            self._sign_ins.take_back(tx, everything)
            if better is not None:
                self._users.update(tx, user.id, password_hash=better)
            return self._open(tx, principal, way="password", address=address, stays=stays)

        return await self._database.write(work)

    async def use_link(self, code: str, *, address: str | None, stays: bool = False) -> TokenPair:
        """Come in by a one-time link. Raises InvalidLinkError."""
        link = self._tokens.verify_link(code)

        def work(tx: Tx) -> TokenPair:
            self._sign_ins.use_link(tx, link.id, at=self._clock.now(), expires_at=link.expires_at)
            return self._open(tx, self._as_known(tx, link), way="link", address=address, stays=stays)

        try:
            return await self._database.write(work)
        except ConstraintViolation as error:
            raise InvalidLinkError from error

    async def refresh(self, refresh_token: str) -> TokenPair:
        """Another access token, and another refresh token in place of this one, or this one again if it stays.

        Raises InvalidRefreshTokenError. A token that was used before ends the sign-in: one of the two who have it
        is not who they say. For 10 seconds it is taken once more, as an answer may be lost on its way.
        """
        sign_in_id, used_hash = _parsed(refresh_token)

        def work(tx: Tx) -> TokenPair | None:
            sign_in = self._sign_ins.find_and_hold(tx, sign_in_id)
            if sign_in is None or sign_in.revoked_at is not None or sign_in.expires_at <= self._clock.now():
                return None
            principal = self._current(tx, sign_in)
            if principal is None or not self._is_newest(sign_in, used_hash):
                self._end(tx, sign_in_id)
                return None
            if _stays(refresh_token):
                return self._prolong(tx, sign_in, principal, refresh_token)
            return self._rotate(tx, sign_in, principal)

        pair = await self._database.write(work)
        if pair is None:
            await self._revocations.refresh()
            raise InvalidRefreshTokenError
        return pair

    async def sign_out(self, caller: Principal, *, address: str | None) -> None:
        """End the sign-in that the caller's token belongs to: here at once, elsewhere within `CE_REVOCATION_SECONDS`.

        Raises NotASignInError for a token that no sign-in gave.
        """
        sign_in_id = caller.sign_in_id
        if sign_in_id is None:
            raise NotASignInError

        def work(tx: Tx) -> None:
            self._end(tx, sign_in_id)
            self._audit.record(
                tx,
                Deed(action="user.signed_out", actor_id=caller.user_id, subject_id=caller.user_id, address=address),
            )

        await self._database.write(work)
        self._revocations.add([sign_in_id])

    async def make_link(self, caller: Principal, user_id: UserId) -> str:
        """A one-time link for an account, for an admin to pass on. Raises UserNotFoundError."""
        require_role(caller, Role.ADMIN)

        def work(tx: Tx) -> User:
            user = self._users.find(tx, user_id)
            if user is None or not user.is_active:
                raise UserNotFoundError(user_id)
            self._audit.record(tx, Deed(action="link.made", actor_id=caller.user_id, subject_id=user_id))
            return user

        user = await self._database.write(work)
        return self.link_for(Principal(user_id=user.id, role=user.role))

    def link_for(self, principal: Principal) -> str:
        """A one-time link for anybody, account or not: for the operator's own terminal. No statement."""
        code = self._tokens.issue_link(principal, lifetime=timedelta(minutes=self._settings.link_minutes))
        return link_to(self._settings.link_url, code)

    async def open_for(self, principal: Principal) -> TokenPair:
        """A sign-in for somebody whom the caller has checked."""
        return await self._database.write(lambda tx: self._open(tx, principal, way="program", address=None))

    # ── inside ──

    def _keys(self, login: str, address: str | None) -> tuple[str, str, str]:
        """What tries are counted by: the name from this address, the name, the address."""
        where = address or ""
        return self._hashed("pair", login, where), self._hashed("name", login), self._hashed("address", where)

    async def _count(self, keys: Sequence[str]) -> None:
        """Count the try before it is made, so that those who try at once are counted too."""
        for key, factor in zip(keys, (1, TRIES_OF_A_NAME, TRIES_OF_AN_ADDRESS), strict=True):
            count, began_at = await self._count_one(key)
            if count > self._settings.sign_in_tries * factor:
                left = began_at + self._window - self._clock.now()
                raise TooManySignInsError(retry_after_seconds=max(1.0, left.total_seconds()))

    async def _count_one(self, key: str) -> tuple[int, datetime]:
        now = self._clock.now()

        def work(tx: Tx) -> tuple[int, datetime]:
            return self._sign_ins.count_try(tx, key, at=now, oldest=now - self._window)

        try:
            return await self._database.write(work)
        except ConstraintViolation:
            return await self._database.write(work)

    def _open(self, tx: Tx, principal: Principal, *, way: str, address: str | None, stays: bool = False) -> TokenPair:
        now = self._clock.now()
        sign_in_id, refresh_token, refresh_hash = _new_refresh_token(stays=stays)
        sign_in = SignIn(
            id=sign_in_id,
            owner_id=principal.user_id,
            role=principal.role,
            refresh_hash=refresh_hash,
            previous_hash=None,
            rotated_at=now,
            expires_at=now + self._refresh_lifetime,
            revoked_at=None,
        )
        self._sign_ins.insert(tx, sign_in, at=now)
        self._users.update(tx, principal.user_id, last_sign_in_at=now)
        self._audit.record(
            tx,
            Deed(
                action="user.signed_in",
                actor_id=principal.user_id,
                subject_id=principal.user_id,
                address=address,
                details={"way": way},
            ),
        )
        return self._pair(principal, sign_in_id, refresh_token)

    def _rotate(self, tx: Tx, sign_in: SignIn, principal: Principal) -> TokenPair:
        now = self._clock.now()
        _, refresh_token, refresh_hash = _new_refresh_token(sign_in.id)
        self._sign_ins.rotate(tx, sign_in, refresh_hash=refresh_hash, at=now, expires_at=now + self._refresh_lifetime)
        return self._pair(principal, sign_in.id, refresh_token)

    def _prolong(self, tx: Tx, sign_in: SignIn, principal: Principal, refresh_token: str) -> TokenPair:
        now = self._clock.now()
        unchanged = sign_in.refresh_hash
        self._sign_ins.rotate(tx, sign_in, refresh_hash=unchanged, at=now, expires_at=now + self._refresh_lifetime)
        return self._pair(principal, sign_in.id, refresh_token)

    def _pair(self, principal: Principal, sign_in_id: str, refresh_token: str) -> TokenPair:
        signed_in = Principal(user_id=principal.user_id, role=principal.role, sign_in_id=sign_in_id)
        return TokenPair(
            access_token=self._tokens.issue(signed_in, lifetime=self._access_lifetime),
            refresh_token=refresh_token,
            expires_in_seconds=round(self._access_lifetime.total_seconds()),
            user_id=principal.user_id,
            role=principal.role,
        )

    def _as_known(self, tx: Tx, link: Link) -> Principal:
        """Whom a link lets in: as the account is now, where there is one."""
        user = self._users.find(tx, link.principal.user_id)
        if user is None:
            return link.principal
        if not user.is_active:
            raise InvalidLinkError
        return Principal(user_id=user.id, role=user.role)

    def _current(self, tx: Tx, sign_in: SignIn) -> Principal | None:
        user = self._users.find(tx, sign_in.owner_id)
        if user is None:
            return Principal(user_id=sign_in.owner_id, role=sign_in.role)
        return Principal(user_id=user.id, role=user.role) if user.is_active else None

    def _is_newest(self, sign_in: SignIn, used_hash: str) -> bool:
        if hmac.compare_digest(sign_in.refresh_hash, used_hash):
            return True
        is_fresh = self._clock.now() - sign_in.rotated_at <= REFRESH_GRACE
        return is_fresh and hmac.compare_digest(sign_in.previous_hash or "", used_hash)

    def _end(self, tx: Tx, sign_in_id: str) -> None:
        now = self._clock.now()
        self._sign_ins.revoke(tx, [sign_in_id], at=now, until=now + self._access_lifetime)

    def _hashed(self, *parts: str) -> str:
        return hmac.new(self._key, "\0".join(parts).encode(errors="replace"), hashlib.sha256).hexdigest()

    @property
    def _window(self) -> timedelta:
        return timedelta(minutes=self._settings.sign_in_window_minutes)

    @property
    def _access_lifetime(self) -> timedelta:
        return timedelta(minutes=self._settings.access_token_minutes)

    @property
    def _refresh_lifetime(self) -> timedelta:
        return timedelta(days=self._settings.refresh_token_days)


def link_to(url: str, code: str) -> str:
    """`url` with the code of a one-time link."""
    return f"{url}{'&' if urlsplit(url).query else '?'}{urlencode({'code': code})}"


def _new_refresh_token(sign_in_id: str | None = None, *, stays: bool = False) -> tuple[str, str, str]:
    """The sign-in's id, a token that names it, and the hash to keep."""
    sign_in_id = sign_in_id or new_id()
    token = f"{sign_in_id}.{KEPT if stays else ''}{secrets.token_urlsafe(REFRESH_BYTES)}"
    return sign_in_id, token, _hash(token)


def _stays(refresh_token: str) -> bool:
    return refresh_token.partition(".")[2].startswith(KEPT)


def _parsed(refresh_token: str) -> tuple[str, str]:
    try:
        return parse_id(refresh_token.split(".", 1)[0]), _hash(refresh_token)
    except (InvalidIdError, UnicodeEncodeError) as error:
        raise InvalidRefreshTokenError from error


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
