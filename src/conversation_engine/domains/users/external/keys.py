"""Another issuer's public keys: a JSON Web Key Set (RFC 7517), fetched and kept for a while."""

import asyncio
import json
from collections.abc import Mapping
from typing import Final, Protocol

import aiohttp
import jwt

from conversation_engine.domains.users.errors import IdentityUnavailableError
from conversation_engine.infra.observability.logs import get_logger
from conversation_engine.kernel.clock import Clock

ALGORITHMS: Final = ("RS256", "EdDSA")
BODY_LIMIT_BYTES: Final = 262_144
FETCH_SECONDS: Final = 5.0
LEAST_SECONDS_BETWEEN: Final = 10.0
"""However many unknown key ids come in: each would otherwise be a fetch."""
KEPT_SECONDS: Final = 86_400.0
"""How long the last keys count while the issuer cannot be reached."""
_log = get_logger(__name__)


class KeySource(Protocol):
    """Where the document comes from."""

    async def fetch(self) -> bytes:
        """The key set. Raises OSError, TimeoutError or aiohttp.ClientError when it cannot be had."""
        ...


class HttpKeySource:
    """An address. Redirects are not followed: the address is the operator's, not the issuer's."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def fetch(self) -> bytes:
        timeout = aiohttp.ClientTimeout(total=FETCH_SECONDS)
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=True) as session,
            session.get(self._url, allow_redirects=False, raise_for_status=True) as response,
        ):
            if response.status != 200:
                raise OSError(f"the key set's address answers {response.status}")
            body = b""
            async for chunk in response.content.iter_any():  # `read(n)` would stop at the first packet
                body += chunk
                if len(body) > BODY_LIMIT_BYTES:
                    raise OSError("the key set is too large")
            return body


class PublicKeys:
    """The issuer's keys by key id."""

    def __init__(self, source: KeySource, *, clock: Clock, seconds: float) -> None:
        self._source = source
        self._clock = clock
        self._seconds = seconds
        self._keys: Mapping[str | None, jwt.PyJWK] = {}
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._lock = asyncio.Lock()
        self.generation = 0
        """Grows when the keys change: what was checked with the ones before has to be checked again."""

    async def find(self, key_id: str | None) -> jwt.PyJWK | None:
        """The key with this id; a set of one key serves tokens that name none.

        Looks again when the keys are old or the id is unknown, so that a key may be changed at any time. Raises
        IdentityUnavailableError when there are no keys to be had.
        """
        if self._is_old() or key_id not in self._keys:
            async with self._lock:
                if self._is_old() or key_id not in self._keys:
                    await self._look()
        if self._fetched_at is None or self._age(self._fetched_at) > KEPT_SECONDS:
            raise IdentityUnavailableError
        return self._keys.get(key_id)

    def _is_old(self) -> bool:
        return self._fetched_at is None or self._age(self._fetched_at) > self._seconds

    def _age(self, since: float) -> float:
        return self._clock.monotonic() - since

    async def _look(self) -> None:
        if self._tried_at is not None and self._age(self._tried_at) < LEAST_SECONDS_BETWEEN:
            return
        self._tried_at = self._clock.monotonic()
        try:
            keys = _parsed(await self._source.fetch())
        except (OSError, TimeoutError, aiohttp.ClientError, jwt.PyJWTError, ValueError, RecursionError) as error:
            _log.warning("keys.unread", error=type(error).__name__)
            return
        if {key_id: key.key_id for key_id, key in keys.items()} != {k: v.key_id for k, v in self._keys.items()}:
            self.generation += 1
        self._keys, self._fetched_at = keys, self._clock.monotonic()


def _parsed(document: bytes) -> Mapping[str | None, jwt.PyJWK]:
    found = json.loads(document)
    if not isinstance(found, dict):
        raise ValueError("a key set is an object")
    usable = [key for key in jwt.PyJWKSet.from_dict(found).keys if key.algorithm_name in ALGORITHMS]
    keys: dict[str | None, jwt.PyJWK] = {key.key_id: key for key in usable}
    if len(usable) == 1:
        keys[None] = usable[0]
    return keys
