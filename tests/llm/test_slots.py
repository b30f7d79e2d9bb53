"""How many calls run at one provider at the same time, and who is next."""

import asyncio
from collections import Counter
from random import Random

import pytest

from conversation_engine.domains.llm.errors import ModelBusyError
from conversation_engine.domains.llm.slots import FairSlots


async def settle() -> None:
    """Let everything that can go on do so."""
    for _ in range(10):
        await asyncio.sleep(0)


class Callers:
    """Calls that run until they are told to end."""

    def __init__(self, count: int, *, wait_seconds: float = 60.0) -> None:
        self.slots = FairSlots(count, wait_seconds=wait_seconds)
        self.begun: list[str] = []
        self._ends: list[asyncio.Event] = []
        self.tasks: list[asyncio.Task[None]] = []

    def call(self, party: str) -> asyncio.Task[None]:
        task = asyncio.create_task(self._call(party))
        self.tasks.append(task)
        return task

    async def _call(self, party: str) -> None:
        async with self.slots.hold(party):
            self.begun.append(party)
            self._ends.append(end := asyncio.Event())
            await end.wait()

    async def end_one(self) -> None:
        """The oldest running call ends."""
        self._ends.pop(0).set()
        await settle()

    async def end_all(self) -> None:
        while self._ends:
            await self.end_one()
        await asyncio.gather(*self.tasks, return_exceptions=True)


class TestFairSlots:
    async def test_no_more_run_than_there_are_slots(self) -> None:
        callers = Callers(3)
        for _ in range(10):
            callers.call("ada")
        await settle()
        assert len(callers.begun) == 3
        await callers.end_one()
        assert len(callers.begun) == 4
        await callers.end_all()
        assert len(callers.begun) == 10

    async def test_a_user_with_a_hundred_waiting_calls_delays_another_by_one(self) -> None:
        callers = Callers(1)
        for _ in range(101):
            callers.call("greedy")
        await settle()
        callers.call("ada")
        callers.call("bob")
        await settle()
        for _ in range(3):
            await callers.end_one()
        assert set(callers.begun[1:4]) == {"greedy", "ada", "bob"}
        await callers.end_all()
        assert len(callers.begun) == 103

    async def test_who_has_the_fewest_running_is_next(self) -> None:
        callers = Callers(4)
        for _ in range(20):
            callers.call("greedy")
        await settle()
        for _ in range(3):
            callers.call("ada")
        await settle()
        for _ in range(3):
            await callers.end_one()
        assert Counter(callers.begun[4:]) == {"ada": 2, "greedy": 1}  # 2 and 2 are running now
        await callers.end_all()

    async def test_within_a_user_who_came_first_is_first(self) -> None:
        slots, order = FairSlots(1, wait_seconds=60), []

        async def call(number: int) -> None:
            async with slots.hold("ada"):
                order.append(number)
                await asyncio.sleep(0)

        await asyncio.gather(*(call(number) for number in range(20)))
        assert order == list(range(20))

    async def test_who_waits_too_long_is_told_so_and_takes_nothing(self) -> None:
        callers = Callers(1, wait_seconds=0.02)
        callers.call("ada")
        await settle()
        with pytest.raises(ModelBusyError):
            await callers.call("bob")
        await callers.end_one()
        callers.call("cleo")
        await settle()
        assert callers.begun == ["ada", "cleo"]
        await callers.end_all()

    async def test_who_stops_waiting_loses_nothing_for_the_others(self) -> None:
        random = Random(7)
        callers = Callers(2)
        for number in range(200):
            task = callers.call(f"user {random.randrange(5)}")
            await asyncio.sleep(0)
            if random.random() < 0.4:
                random.choice(callers.tasks).cancel()
            if number % 3 == 0 and callers._ends:
                callers._ends.pop(0).set()
                if random.random() < 0.5:
                    task.cancel()  # in the moment in which a slot becomes free
        while not all(task.done() for task in callers.tasks):
            await callers.end_one() if callers._ends else await settle()
        assert callers.slots._free == 2
        assert not callers.slots._parties
        assert not callers.slots._waiting

    async def test_who_is_cancelled_in_the_moment_in_which_a_call_ends_breaks_nothing(self) -> None:
        """As when a server stops: whoever runs and whoever waits are cancelled in the same breath."""
        callers = Callers(1)
        running = callers.call("ada")
        await settle()
        waiting, patient = callers.call("bob"), callers.call("cleo")
        await settle()
        running.cancel()
        waiting.cancel()
        ended = await asyncio.gather(running, waiting, return_exceptions=True)
        assert [type(one) for one in ended] == [asyncio.CancelledError] * 2
        await settle()
        assert callers.begun == ["ada", "cleo"]
        await callers.end_all()
        assert patient.done()
        assert callers.slots._free == 1
        assert not callers.slots._parties

    async def test_without_a_limit_nobody_waits(self) -> None:
        callers = Callers(0)
        for _ in range(100):
            callers.call("ada")
        await settle()
        assert len(callers.begun) == 100
        await callers.end_all()
