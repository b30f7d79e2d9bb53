"""Whether a Valkey (or Redis) is there."""

import asyncio
from typing import Any

from pydantic import SecretStr


async def server_of(url: SecretStr, *, seconds: float) -> str:
    """What answers there, such as `Valkey 8.1`. Raises what the client raises, ValueError or TimeoutError."""
    from valkey.asyncio import Valkey

    client: Any = Valkey.from_url(url.get_secret_value(), socket_timeout=seconds, socket_connect_timeout=seconds)
    try:
        async with asyncio.timeout(seconds):
            told = await client.info("server")
    finally:
        await client.aclose()
    version = told.get("valkey_version")
    return f"Valkey {version}" if version else f"Redis {told.get('redis_version', 'of an unknown version')}"
