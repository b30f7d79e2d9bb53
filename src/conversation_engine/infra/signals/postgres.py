"""Hints through PostgreSQL's LISTEN and NOTIFY.

One connection of its own, outside the pool, hears and speaks. All topics share one channel: NOTIFY wakes every
listening process whatever it listens to, so what is worth saving is notifications, and many hints travel in one.
A line counts as open once it has heard itself: a connection pooler in transaction mode lets one speak and stay deaf.
"""

import asyncio
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from functools import partial
from secrets import token_hex
from typing import Any, Final

from sqlalchemy import make_url

from conversation_engine.infra.signals.hub import encoded
from conversation_engine.infra.signals.relay import CLOSING_SECONDS, Line, RelayedSignals

CHANNEL: Final = "conversation_engine"
NOTIFICATION_BYTES: Final = 7_900
"""PostgreSQL takes less than 8,000."""
_NOTIFY: Final = "SELECT pg_notify($1, hints) FROM unnest($2::text[]) AS hints"
_POOL_OPTIONS: Final = ("prepared_statement_cache_size", "prepared_statement_name_func", "async_creator_fn")


def postgres_signals(database_url: str) -> RelayedSignals:
    """`Signals` between the processes of one PostgreSQL database. One connection a process.

    Cost of a burst of hints: one statement, whose commit waits for no disk.
    """
    return RelayedSignals(partial(_open_line, database_url), kind="postgresql")


async def _open_line(database_url: str, heard: Callable[[str, str], None]) -> Line:
    connection = await _connected(database_url)
    line = PostgresLine(connection, heard)
    try:
        await line.listen()
    except BaseException:
        connection.terminate()
        raise
    return line


async def _connected(database_url: str) -> Any:
    """Not to be interrupted in the middle: asyncpg then leaves half a connection open that nobody knows of."""
    import asyncpg

    connecting = asyncio.ensure_future(
        asyncpg.connect(
            **_arguments(database_url),
            # A NOTIFY is a transaction with a commit record; a hint that a crash of the server loses is no loss.
            server_settings={"application_name": "conversation_engine signals", "synchronous_commit": "off"},
        )
    )
    try:
        return await asyncio.shield(connecting)
    except asyncio.CancelledError:
        with suppress(Exception):
            (await connecting).terminate()
        raise


def _arguments(database_url: str) -> dict[str, Any]:
    """What the pool's connections are opened with: its URL means the same here."""
    url = make_url(database_url).set(drivername="postgresql+asyncpg")
    _, arguments = url.get_dialect()().create_connect_args(url)
    return {name: value for name, value in arguments.items() if name not in _POOL_OPTIONS}


class PostgresLine:
    """One open connection that listens."""

    def __init__(self, connection: Any, heard: Callable[[str, str], None]) -> None:
        self._connection = connection
        self._heard = heard
        self._lost = asyncio.Event()
        self._echo = json.dumps([[f"echo:{token_hex(8)}", ""]])
        self._echoed = asyncio.Event()

    async def listen(self) -> None:
        """From here on nothing is missed while the connection lives."""
        self._connection.add_termination_listener(lambda _: self._lost.set())
        await self._connection.add_listener(CHANNEL, self._take)
        await self.test()

    async def hear(self) -> None:
        await self._lost.wait()
        raise ConnectionError("PostgreSQL closed the connection")

    async def tune(self, *, wanted: Collection[str], unwanted: Collection[str]) -> None:
        """Nothing to do: every topic comes through the one channel."""

    async def say(self, hints: Mapping[str, str]) -> None:
        await self._connection.execute(_NOTIFY, CHANNEL, list(packed(hints)))

    async def test(self) -> None:
        self._echoed.clear()
        await self._connection.execute(_NOTIFY, CHANNEL, [self._echo])
        await self._echoed.wait()

    async def aclose(self) -> None:
        with suppress(Exception):  # asyncpg drops the connection when it cannot close it politely
            await self._connection.close(timeout=CLOSING_SECONDS)

    def _take(self, connection: Any, sender: int, channel: str, text: str) -> None:
        if text == self._echo:
            self._echoed.set()
        elif sender != connection.get_server_pid():  # ours are delivered already
            self._take_all(text)

    def _take_all(self, text: str) -> None:
        for topic, payload in _unpacked(text):
            self._heard(topic, payload)


def packed(hints: Mapping[str, str]) -> Iterator[str]:
    """As few notifications as these hints fit into."""
    batch: list[str] = []
    size = 2
    for hint in (encoded(topic, payload) for topic, payload in hints.items()):
        if size + len(hint) > NOTIFICATION_BYTES:
            yield f"[{','.join(batch)}]"
            batch, size = [], 2
        batch.append(hint)
        size += len(hint) + 1
    if batch:
        yield f"[{','.join(batch)}]"


def _unpacked(text: str) -> Iterator[tuple[str, str]]:
    """Nothing where the text is not ours: anybody who may connect may notify."""
    with suppress(ValueError, TypeError):
        for topic, payload in json.loads(text):
            if isinstance(topic, str) and isinstance(payload, str):
                yield topic, payload
