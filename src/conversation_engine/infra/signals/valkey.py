"""Hints through Valkey's (or Redis's) publish and subscribe.

Two connections a process, one that hears and one that speaks, however many topics and subscribers. Each topic is a
channel, so a process is sent what it listens to and nothing else. Plain channels have no hash slot: any node of a
cluster takes them. Nothing is stored.
"""

import asyncio
import json
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from functools import partial
from secrets import token_hex
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from conversation_engine.infra.signals.relay import Line, RelayedSignals
from conversation_engine.kernel.errors import InvalidInputError

PREFIX: Final = "conversation_engine:signal:"
SCHEMES: Final = ("valkey", "valkeys", "redis", "rediss", "unix")


def valkey_signals(url: SecretStr) -> RelayedSignals:
    """`Signals` between the processes that use one Valkey. Two connections a process.

    Cost of a burst of hints: one round trip. Raises InvalidInputError for what is no URL of a Valkey; a server that
    is away raises nothing.
    """
    if not _is_address(url.get_secret_value()):
        raise InvalidInputError("CE_VALKEY_URL is not the address of a Valkey, such as valkey://host:6379/0")
    return RelayedSignals(partial(_open_line, url, token_hex(8)), kind="valkey")


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where it is no number
    except ValueError:
        return False
    return parts.scheme in SCHEMES


async def _open_line(url: SecretStr, origin: str, heard: Callable[[str, str], None]) -> Line:
    from valkey.asyncio import ConnectionPool

    pool: Any = ConnectionPool.from_url(
        url.get_secret_value(),
        protocol=2,  # its pushes are ordinary replies: every parser of the client reads them through public verbs
        decode_responses=True,
        socket_keepalive=True,
        socket_timeout=None,  # the relay has its own; the client's would end a silence and (wait_for) eat cancellations
        socket_connect_timeout=None,
    )
    line = ValkeyLine(ear=pool.make_connection(), mouth=pool.make_connection(), origin=origin, heard=heard)
    try:
        await line.connect()
    except BaseException:
        await line.aclose()
        raise
    return line


class ValkeyLine:
    """Two open connections to one server."""

    def __init__(self, *, ear: Any, mouth: Any, origin: str, heard: Callable[[str, str], None]) -> None:
        """`origin` tells our own hints from those of others."""
        self._ear = ear
        self._mouth = mouth
        self._origin = origin
        self._heard = heard
        self._answered = asyncio.Event()

    async def connect(self) -> None:
        """Open both. Raises the client's errors."""
        await self._ear.connect()
        await self._mouth.connect()

    async def hear(self) -> None:
        while True:
            kind, *rest = await self._ear.read_response()
            if kind == "message":
                self._take(*rest)
            elif kind == "subscribe":  # before this moment hints may have been missed
                self._heard(rest[0].removeprefix(PREFIX), "")
            elif kind == "pong":
                self._answered.set()

    async def tune(self, *, wanted: Collection[str], unwanted: Collection[str]) -> None:
        for verb, topics in (("SUBSCRIBE", wanted), ("UNSUBSCRIBE", unwanted)):
            if topics:
                await self._ear.send_command(verb, *(PREFIX + topic for topic in topics))

    async def say(self, hints: Mapping[str, str]) -> None:
        commands = [("PUBLISH", PREFIX + topic, json.dumps([self._origin, text])) for topic, text in hints.items()]
        await self._mouth.send_packed_command(self._mouth.pack_commands(commands))
        for _ in commands:
            await self._mouth.read_response()

    async def test(self) -> None:
        self._answered.clear()
        await self._ear.send_command("PING")
        await self._mouth.send_command("PING")
        await self._mouth.read_response()
        await self._answered.wait()

    async def aclose(self) -> None:
        for connection in (self._ear, self._mouth):
            with suppress(Exception):
                await connection.disconnect(nowait=True)

    def _take(self, channel: str, text: str) -> None:
        with suppress(ValueError, TypeError):  # anybody who may connect may publish
            origin, payload = json.loads(text)
            if origin != self._origin and isinstance(payload, str):
                self._heard(channel.removeprefix(PREFIX), payload)
