"""Reading what others keep in a Valkey (or Redis): never written, never all of it in memory."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

from pydantic import SecretStr

TIMEOUT_SECONDS: Final = 10.0
KEYS_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What one key holds."""

    key: str
    value: str | list[str] | dict[str, str] | None
    """A string, a list in its order, or a hash; `None`: another kind, or gone."""


async def kept_under(url: SecretStr, pattern: str) -> AsyncIterator[Kept]:
    """Every key that matches `pattern` (as of SCAN), in no order, some perhaps twice. Raises what the client raises."""
    from valkey.asyncio import Valkey

    client: Any = Valkey.from_url(
        url.get_secret_value(),
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        encoding_errors="replace",
        decode_responses=True,
    )
    try:
        async for key in client.scan_iter(match=pattern, count=KEYS_AT_ONCE):
            yield Kept(key=key, value=await _value(client, key))
    finally:
        await client.aclose()


async def _value(client: Any, key: str) -> Any:
    match await client.type(key):
        case "string":
            return await client.get(key)
        case "list":
            return await client.lrange(key, 0, -1)
        case "hash":
            return await client.hgetall(key)
        case _:
            return None
