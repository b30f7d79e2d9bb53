"""The HTTP API as clients use it: any living server, again and again."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import aiohttp

from chaos.fleet import Fleet, Seat

PAUSE_SECONDS = 0.1
CONNECT_SECONDS = 2.0
SILENCE_SECONDS = 5.0
"""A server that is alive gives a sign at least every second (`CE_HEARTBEAT_SECONDS`)."""
BROKEN = (aiohttp.ClientError, TimeoutError, OSError)
"""What a client meets whose server dies."""


class RefusedError(Exception):
    """An answer that is not the one asked for."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(f"{status} {code}")
        self.status = status
        self.code = code


class Door:
    """Requests with a token, and a tally of refusals. Use as an async context manager."""

    def __init__(self, fleet: Fleet, *, token: str) -> None:
        self.refusals: Counter[str] = Counter()
        self._fleet = fleet
        self._headers = {"authorization": f"Bearer {token}"}

    async def __aenter__(self) -> "Door":
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=SILENCE_SECONDS)
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        self._session = aiohttp.ClientSession(timeout=timeout, connector=connector, headers=self._headers)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    def pick(self, random: Random) -> Seat:
        """A server that is thought ready; where none is, any."""
        return random.choice([*self._fleet.ready()] or self._fleet.seats)

    @asynccontextmanager
    async def ask(
        self,
        seat: Seat,
        method: str,
        path: str,
        *,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """One request to one server. Raises RefusedError, or one of BROKEN."""
        async with self._session.request(method, seat.url + path, json=body, headers=headers) as answer:
            if answer.status >= 400:
                raise await self._refusal(answer)
            yield answer

    async def json(self, method: str, path: str, *, random: Random, body: object = None) -> Any:
        """The JSON answer of any server, however often it takes."""
        while True:
            try:
                async with self.ask(self.pick(random), method, path, body=body) as answer:
                    return await answer.json()
            except RefusedError as refusal:
                if refusal.status < 500:
                    raise
            except BROKEN:
                pass
            await asyncio.sleep(PAUSE_SECONDS)

    async def _refusal(self, answer: aiohttp.ClientResponse) -> RefusedError:
        problem = await answer.json(content_type=None) if "json" in answer.content_type else {}
        refusal = RefusedError(answer.status, str(problem.get("code", "?")))
        self.refusals[str(refusal)] += 1
        return refusal
