"""Bearer tokens: signed, expiring, for us alone."""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import jwt

from conversation_engine.domains.users.errors import (
    ExpiredTokenError,
    InvalidLinkError,
    InvalidTokenError,
    WeakSecretError,
)
from conversation_engine.infra.ids import new_id
from conversation_engine.kernel.clock import Clock
from conversation_engine.kernel.errors import InvalidIdError, InvalidTextError
from conversation_engine.kernel.ids import USER_ID_LIMIT_CHARACTERS, UserId, parse_id
from conversation_engine.kernel.people import Principal, Role
from conversation_engine.kernel.text import checked_text

ALGORITHM = "HS256"
LEAST_SECRET_BYTES = 32
REMEMBERED_TOKENS = 1024


NOBODY = "*"
"""Means everybody where things are shared, so nobody may be called that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What a one-time sign-in link says."""

    id: str
    principal: Principal
    expires_at: datetime


class TokenService:
    """Makes and checks JSON Web Tokens (RFC 7519)."""

    def __init__(
        self, *, secret: str, issuer: str, audience: str, clock: Clock, accepted_secrets: Sequence[str] = ()
    ) -> None:
        """Signs with `secret`, accepts what it or one of `accepted_secrets` signed.

        Raises WeakSecretError for a key of under 32 bytes (RFC 7518, section 3.2).
        """
        if any(len(key.encode()) < LEAST_SECRET_BYTES for key in (secret, *accepted_secrets)):
            raise WeakSecretError(LEAST_SECRET_BYTES)
        self._secret = secret
        self._accepted = (secret, *accepted_secrets)
        self._issuer = issuer
        self._audience = audience
        self._link_audience = f"{audience}#sign-in-link"
        self._clock = clock
        self._verified = lru_cache(maxsize=REMEMBERED_TOKENS)(self._verify_signed)

    def derived(self, purpose: str) -> bytes:
        """A secret for another purpose, 32 bytes. It changes with the secret that signs."""
        return hmac.digest(self._secret.encode(), purpose.encode(), "sha256")

    def issue(self, principal: Principal, *, lifetime: timedelta) -> str:
        """A token that says who `principal` is, for `lifetime` from now."""
        return self._sign(principal, audience=self._audience, lifetime=lifetime)

    def issue_link(self, principal: Principal, *, lifetime: timedelta) -> str:
        """The code of a sign-in link; whoever makes it good writes down that it was used."""
        return self._sign(principal, audience=self._link_audience, lifetime=lifetime)

    def verify(self, token: str) -> Principal:
        """Who a token speaks for. Raises ExpiredTokenError or InvalidTokenError."""
        principal, expires_at = self._verified(token)
        if expires_at <= self._clock.now().timestamp():
            raise ExpiredTokenError
        return principal

    def verify_link(self, code: str) -> Link:
        """What a link's code says. Raises InvalidLinkError."""
        try:
            claims = self._claims(code, audience=self._link_audience)
            link_id, expires_at = parse_id(claims["jti"]), int(claims["exp"])
            principal = _principal(claims)
        except (InvalidTokenError, InvalidIdError, KeyError, ValueError, TypeError, OverflowError) as error:
            raise InvalidLinkError from error
        now = self._clock.now()
        if expires_at <= now.timestamp():
            raise InvalidLinkError
        return Link(id=link_id, principal=principal, expires_at=datetime.fromtimestamp(expires_at, tz=now.tzinfo))

    def _sign(self, principal: Principal, *, audience: str, lifetime: timedelta) -> str:
        now = self._clock.now()
        claims = {
            "sub": principal.user_id,
            "role": principal.role.value,
            "iss": self._issuer,
            "aud": audience,
            "iat": now,
            "exp": now + lifetime,
            "jti": new_id(),
        }
        if principal.sign_in_id is not None:
            claims["sid"] = principal.sign_in_id
        return jwt.encode(claims, self._secret, algorithm=ALGORITHM)

    def _verify_signed(self, token: str) -> tuple[Principal, int]:
        """What a token says, whatever the time is: 0.3 ms, so it is done once for each of the newest tokens."""
        claims = self._claims(token, audience=self._audience)
        try:
            return _principal(claims), int(claims["exp"])
        except (InvalidTextError, ValueError, TypeError, OverflowError) as error:
            raise InvalidTokenError from error  # the last one: an infinite `exp`

    def _claims(self, token: str, *, audience: str) -> Mapping[str, Any]:
        for secret in self._accepted:
            try:
                claims: dict[str, Any] = jwt.decode(
                    token,
                    secret,
                    algorithms=[ALGORITHM],
                    audience=audience,
                    issuer=self._issuer,
                    options={"require": ["exp", "sub", "aud", "iss"], "verify_exp": False, "verify_iat": False},
                )
                if int(claims.get("iat", 0)) > self._clock.now().timestamp():
                    raise InvalidTokenError
            except jwt.InvalidSignatureError:
                continue  # perhaps the next key's
            except (jwt.InvalidTokenError, ValueError, TypeError, OverflowError, RecursionError) as error:
                # The last one: PyJWT reads JSON that is nested deeply, before it checks a signature.
                raise InvalidTokenError from error
            return claims
        raise InvalidTokenError


def _principal(claims: Mapping[str, Any]) -> Principal:
    user_id = checked_text(claims["sub"], name="user id", limit_characters=USER_ID_LIMIT_CHARACTERS)
    if user_id == NOBODY:
        raise InvalidTokenError
    sign_in_id = claims.get("sid")
    return Principal(
        user_id=UserId(user_id),
        role=Role(claims.get("role", Role.STUDENT)),
        sign_in_id=None if sign_in_id is None else str(sign_in_id),
    )
