"""Server processes that are started again whenever they die."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

import aiohttp

from benchmarks.processes import ROOT, clean_environment, free_port

SERVE = ("-c", "from conversation_engine.entrypoints.cli.main import run; run()", "serve", "--port")
"""What `convo serve` does, whatever is on the path."""
STARTING_SECONDS = 60.0
PROBE_SECONDS = 0.05


@dataclass(slots=True, kw_only=True)
class Seat:
    """A place in the fleet: one process after another sits there, each on a port of its own."""

    number: int
    log: Path
    process: Process | None = None
    port: int = 0
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    """Whether it answers, as far as we know."""
    deaths: list[float] = field(default_factory=list)
    """When its processes ended, wall clock."""
    ups: list[tuple[float, float]] = field(default_factory=list)
    """From when to when a process answered, wall clock; the last one may still."""
    asked: set[int] = field(default_factory=set)
    """Ids of the processes that we told to end."""
    start_seconds: list[float] = field(default_factory=list)
    """From the start of a process until it was ready."""

    @property
    def url(self) -> str:
        """Where its process listens."""
        return f"http://127.0.0.1:{self.port}"

    def come_up(self) -> None:
        """Its process answers."""
        self.ups.append((time.time(), inf))
        self.ready.set()

    def go_down(self) -> None:
        """Its process is not expected to answer. Idempotent."""
        if self.ready.is_set():
            self.ups[-1] = (self.ups[-1][0], time.time())
            self.ready.clear()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to its process, if there is one."""
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)

    def end(self, number: signal.Signals) -> None:
        """Make its process end by a signal; it will be started again."""
        if self.process is not None and self.process.returncode is None:
            self.go_down()
            self.asked.add(self.process.pid)
            self.send(number)


class Fleet:
    """So many servers over one database."""

    def __init__(self, count: int, *, environment: Mapping[str, str], logs: Path) -> None:
        self.seats = [Seat(number=number, log=logs / f"server-{number}.log") for number in range(count)]
        self._environment = clean_environment({**environment, "PYTHONUNBUFFERED": "1"})
        self.logs = logs
        self._is_closing = False

    def ready(self) -> Sequence[Seat]:
        """Those that answer, as far as we know."""
        return [seat for seat in self.seats if seat.ready.is_set()]

    async def until_ready(self, seats: Sequence[Seat] | None = None) -> None:
        """Wait for these, or all."""
        async with asyncio.timeout(STARTING_SECONDS):
            for seat in seats or self.seats:
                await seat.ready.wait()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Fleet"]:
        """Started and kept alive; all stopped on leaving."""
        keepers = [asyncio.create_task(self._keep(seat), name=f"keeper-{seat.number}") for seat in self.seats]
        try:
            await self.until_ready()
            yield self
        finally:
            self._is_closing = True
            for seat in self.seats:
                seat.send(signal.SIGCONT)
                seat.send(signal.SIGTERM)
            await self._await_end(keepers)

    async def _await_end(self, keepers: Sequence["asyncio.Task[None]"]) -> None:
        _, alive = await asyncio.wait(keepers, timeout=10)
        for seat in self.seats:
            seat.send(signal.SIGKILL)
        if alive:
            await asyncio.wait(alive)
        await asyncio.gather(*keepers)

    async def _keep(self, seat: Seat) -> None:
        while not self._is_closing:
            await self._start(seat)
            process = seat.process
            assert process is not None
            started = time.monotonic()
            probing = asyncio.create_task(self._mark_when_ready(seat, started))
            await process.wait()
            probing.cancel()
            await asyncio.gather(probing, return_exceptions=True)
            seat.go_down()
            if not self._is_closing:
                seat.deaths.append(time.time())

    async def _start(self, seat: Seat) -> None:
        seat.port = free_port()
        log = os.open(seat.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            command = (sys.executable, *SERVE, str(seat.port))
            seat.process = await asyncio.create_subprocess_exec(
                *command, cwd=ROOT, env=self._environment, stdout=log, stderr=log
            )
        finally:
            os.close(log)

    async def _mark_when_ready(self, seat: Seat, started: float) -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=3)) as session:
            while not await _is_ready(session, seat.url):
                await asyncio.sleep(PROBE_SECONDS)
        seat.come_up()
        seat.start_seconds.append(time.monotonic() - started)


async def _is_ready(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(f"{url}/readyz") as answer:
            return answer.status == 200
    except (aiohttp.ClientError, TimeoutError, OSError):
        return False
