"""A wire that can be cut, between a client and a server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import cast


@dataclass(slots=True)
class Wire:
    """Passes bytes on; each connection is cut when the server has sent as many as its place in `cuts` says."""

    port: int
    cuts: list[int] = field(default_factory=list)
    """One a connection, in order; when none is left, nothing is cut."""
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)
    """What clients sent."""
    url: str = ""
    tasks: list["asyncio.Task[None]"] = field(default_factory=list)

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until it is cut or an end hangs up."""
        self.connections += 1
        self.tasks.append(cast("asyncio.Task[None]", asyncio.current_task()))
        left = self.cuts.pop(0) if self.cuts else None
        try:
            if left != 0:
                await self._between(reader, writer, left)
        except ConnectionError:
            pass  # an end has hung up
        finally:
            writer.transport.abort()

    async def _between(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, left: int | None) -> None:
        answers, questions = await asyncio.open_connection("127.0.0.1", self.port)
        asking = asyncio.create_task(self._ask(reader, questions))
        try:
            while data := await answers.read(65536):
                data = data if left is None else data[:left]
                writer.write(data)
                await writer.drain()
                if left is not None:
                    left -= len(data)
                    if left == 0:
                        return
        finally:
            asking.cancel()
            await asyncio.wait([asking])
            questions.transport.abort()

    async def _ask(self, reader: asyncio.StreamReader, questions: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            self.requests.append(data)
            questions.write(data)
            await questions.drain()


@contextlib.asynccontextmanager
async def wire_to(port: int, *cuts: int) -> AsyncIterator[Wire]:
    """A wire to a server on this machine."""
    wire = Wire(port, list(cuts))
    server = await asyncio.start_server(wire.pass_on, "127.0.0.1", 0)
    wire.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield wire
    for task in wire.tasks:
        task.cancel()
    await asyncio.gather(*wire.tasks, return_exceptions=True)
