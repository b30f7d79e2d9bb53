"""How many calls run at one provider at the same time, and who is next."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from conversation_engine.domains.llm.errors import ModelBusyError


@dataclass(slots=True)
class _Party:
    running: int = 0
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)


class Load(NamedTuple):
    """How busy slots are."""

    running: int
    waiting: int


class FairSlots:
    """Slots that are shared by parties (users). Of one event loop.

    A free slot goes to the waiting party with the fewest running calls, among equals to the one that was served
    longest ago, and within a party to who came first. So one party with a hundred waiting calls delays another by one
    call, not by a hundred.
    """

    def __init__(self, count: int, *, wait_seconds: float) -> None:
        """`count` 0: no limit. `wait_seconds`: after which a caller gives up."""
        self._free = count
        self._is_limited = count > 0
        self._wait_seconds = wait_seconds
        self._parties: dict[str, _Party] = {}
        self._waiting: dict[str, _Party] = {}
        """In the order in which they were served last, or came."""

    @property
    def load(self) -> Load:
        """How many hold a slot now, and how many wait for one; without a limit nobody is counted."""
        parties = self._parties.values()
        return Load(running=sum(one.running for one in parties), waiting=sum(len(one.waiting) for one in parties))

    @asynccontextmanager
    async def hold(self, party: str) -> AsyncIterator[None]:
        """Have a slot. Raises ModelBusyError when the wait was too long."""
        if not self._is_limited:
            yield
            return
        await self._take(party)
        try:
            yield
        finally:
            self._give_back(party)

    async def _take(self, name: str) -> None:
        party = self._parties.setdefault(name, _Party())
        if self._free:  # then nobody waits
            self._free -= 1
            party.running += 1
            return
        turn = asyncio.get_running_loop().create_future()
        party.waiting.append(turn)
        self._waiting.setdefault(name, party)
        try:
            async with asyncio.timeout(self._wait_seconds):
                await turn
        except TimeoutError as error:
            self._withdraw(name, party, turn)
            raise ModelBusyError(f"no slot became free in {self._wait_seconds:g} s") from error
        except asyncio.CancelledError:
            self._withdraw(name, party, turn)
            raise

    def _withdraw(self, name: str, party: _Party, turn: asyncio.Future[None]) -> None:
        if turn in party.waiting:
            party.waiting.remove(turn)
            self._forget(name, party)
        elif not turn.cancelled():  # it was given a slot in the moment in which it gave up
            self._give_back(name)

    def _give_back(self, name: str) -> None:
        party = self._parties[name]
        party.running -= 1
        self._free += 1
        self._forget(name, party)
        while self._waiting and not self._serve():
            pass

    def _serve(self) -> bool:
        """Give a free slot to who is next; false when that one has just stopped waiting. O(parties that wait)."""
        name = min(self._waiting, key=lambda waiting: self._waiting[waiting].running)
        party = self._waiting.pop(name)
        turn = party.waiting.popleft()
        if party.waiting:
            self._waiting[name] = party
        if turn.cancelled():  # its task has yet to hear of it
            self._forget(name, party)
            return False
        self._free -= 1
        party.running += 1
        turn.set_result(None)
        return True

    def _forget(self, name: str, party: _Party) -> None:
        if not party.waiting:
            self._waiting.pop(name, None)
            if not party.running:
                self._parties.pop(name, None)
