"""What Prometheus reads of a process that answers nobody else: one page over plain HTTP/1.1."""

import asyncio
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final

from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.infra.observability.metrics import CONTENT_TYPE

HOST: Final = "127.0.0.1"
EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 - only where a token is set
HEAD_LIMIT_BYTES: Final = 16_384
PATIENCE_SECONDS: Final = 5.0
"""How long a request's head may take."""


class MetricsPage:
    """Answers `GET /metrics`: to this machine, or to whoever has the token."""

    def __init__(self, engine: ConversationEngine) -> None:
        token = engine.settings.metrics_token
        self._meter = engine.meter
        self._token = None if token is None else token.get_secret_value()

    @asynccontextmanager
    async def listening(self, port: int) -> AsyncIterator[int]:
        """On this port (0: any free one), which is told; raises OSError where it is taken."""
        host = HOST if self._token is None else EVERYWHERE
        server = await asyncio.start_server(self._talk, host, port, limit=HEAD_LIMIT_BYTES)
        async with server:
            yield server.sockets[0].getsockname()[1]

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request a connection."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
            status, body = await self._answer(head.decode("latin-1"))
            kind = CONTENT_TYPE if status is HTTPStatus.OK else "text/plain; charset=utf-8"
            lines = [
                f"HTTP/1.1 {status.value} {status.phrase}",
                f"content-type: {kind}",
                f"content-length: {len(body)}",
                "cache-control: no-store",
                "connection: close",
            ]
            if status is HTTPStatus.UNAUTHORIZED:
                lines.append('www-authenticate: Bearer realm="conversation-engine"')
            writer.write("\r\n".join([*lines, "", ""]).encode() + body)
            await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # nobody who could be told
        finally:
            writer.close()

    async def _answer(self, head: str) -> tuple[HTTPStatus, bytes]:
        first, *rest = head.split("\r\n")
        method, _, target = first.partition(" ")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
        if target.split(" ")[0].partition("?")[0].rstrip("/") != "/metrics":
            return HTTPStatus.NOT_FOUND, b"There is only /metrics here.\n"
        if method != "GET":
            return HTTPStatus.METHOD_NOT_ALLOWED, b"GET it.\n"
        if not self._may_read(headers.get("authorization", "")):
            return HTTPStatus.UNAUTHORIZED, b"Send the metrics' own token, as CE_METRICS_TOKEN says.\n"
        return HTTPStatus.OK, await self._meter.page()

    def _may_read(self, authorization: str) -> bool:
        if self._token is None:  # then only this machine is listened to
            return True
        scheme, _, given = authorization.partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), self._token.encode())
