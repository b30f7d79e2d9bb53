"""Who is calling: the one question that every request asks."""

from typing import Protocol

from conversation_engine.domains.users.errors import InvalidTokenError, NotAuthenticatedError
from conversation_engine.domains.users.revocations import Revocations
from conversation_engine.domains.users.tokens import TokenService
from conversation_engine.kernel.people import Principal


class OtherIssuer(Protocol):
    """Somebody else who vouches for people."""

    async def admit(self, token: str) -> Principal:
        """Who a token of theirs speaks for. Raises InvalidTokenError, ExpiredTokenError or IdentityUnavailableError."""
        ...


class Authenticator:
    """Reads bearer tokens: ours first, then another issuer's where one is configured."""

    def __init__(self, tokens: TokenService, revocations: Revocations, other: OtherIssuer | None = None) -> None:
        self._tokens = tokens
        self._revocations = revocations
        self._other = other

    async def __call__(self, token: str | None) -> Principal:
        """The caller. No statement for a token of ours, and none for one of theirs that was seen a moment ago.

        Raises NotAuthenticatedError, InvalidTokenError, ExpiredTokenError, RevokedTokenError; for other issuers also
        IdentityUnavailableError and IdentityConflictError.
        """
        if token is None:
            raise NotAuthenticatedError
        try:
            principal = self._tokens.verify(token)
        except InvalidTokenError:
            if self._other is None:
                raise
            principal = await self._other.admit(token)
        self._revocations.check(principal)
        return principal
