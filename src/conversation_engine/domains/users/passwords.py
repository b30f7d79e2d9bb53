"""Passwords, hashed by argon2id (RFC 9106) on a thread: 60 ms and 64 MB each, so only a few at a time."""

import asyncio
import unicodedata
from functools import cached_property
from typing import Final, Protocol

from conversation_engine.domains.users.errors import WeakPasswordError
from conversation_engine.kernel.text import checked_text, storable

AT_ONCE: Final = 2
LEAST_CHARACTERS: Final = 10
MOST_CHARACTERS: Final = 512


class PasswordHasher(Protocol):
    """Makes and checks hashes; both take long on purpose."""

    def hash(self, password: str) -> str:
        """A salted hash."""
        ...

    def verify_and_update(self, password: str, hash: str) -> tuple[bool, str | None]:
        """Whether it belongs to `hash`, and a new hash where that was made with weaker parameters."""
        ...


class Passwords:
    """Hashes and checks without holding up the event loop."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._given = hasher
        self._room = asyncio.Semaphore(AT_ONCE)

    async def hash(self, password: str) -> str:
        """A hash to keep."""
        async with self._room:
            return await asyncio.to_thread(self._hasher.hash, _canonical(password))

    async def verify(self, password: str, password_hash: str | None) -> tuple[bool, str | None]:
        """Whether it is the right one, and a better hash to keep where there is one.

        Takes the same time where there is no hash: somebody without a password, or nobody at all.
        """
        async with self._room:
            is_right, better = await asyncio.to_thread(self._verify, _canonical(password), password_hash)
        return (is_right, better) if password_hash is not None else (False, None)

    def _verify(self, password: str, password_hash: str | None) -> tuple[bool, str | None]:
        decoy = self._decoy  # made by whoever is first, whether they exist or not
        return self._hasher.verify_and_update(password, decoy if password_hash is None else password_hash)

    @cached_property
    def _hasher(self) -> PasswordHasher:
        if self._given is not None:
            return self._given
        from pwdlib import PasswordHash  # imported here: a program without passwords does not wait for it
        from pwdlib.hashers.argon2 import Argon2Hasher

        return PasswordHash((Argon2Hasher(),))

    @cached_property
    def _decoy(self) -> str:
        return self._hasher.hash("a password that nobody has")


def check_password(password: str, *, login: str) -> None:
    """Raises WeakPasswordError, or InvalidTextError for one that cannot be stored."""
    checked_text(password, name="password", limit_characters=MOST_CHARACTERS)
    if len(password) < LEAST_CHARACTERS or password.casefold() == login or len(set(password)) < 3:
        raise WeakPasswordError(LEAST_CHARACTERS)


def _canonical(password: str) -> str:
    """The same password however a keyboard composes its accents (NIST SP 800-63B, section 5.1.1.2)."""
    return unicodedata.normalize("NFKC", storable(password[:MOST_CHARACTERS]))
