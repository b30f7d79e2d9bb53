"""Windows: whatever counts, it never lets more in than a quota has, and refuses nothing that would fit."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest
from pydantic import SecretStr

from conversation_engine.infra.ids import new_id
from conversation_engine.infra.rates.failover import RETRY_SECONDS, FailoverWindows
from conversation_engine.infra.rates.memory import MemoryWindows
from conversation_engine.infra.rates.ports import RateWindows
from conversation_engine.infra.rates.types import Charge, Quota, Standing
from conversation_engine.infra.valkey.rates import ValkeyWindows
from conversation_engine.testing import FakeClock
from tests.conftest import ValkeyHandle

LONG_AGO_SECONDS = 1_600_000_000.0
RACERS = 400
PATIENCE_SECONDS = 30.0
"""However busy the machine: these tests are about counts."""


def quota(limit: int, seconds: float = 60, *, key: str | None = None) -> Quota:
    return Quota(key=key or new_id(), limit=limit, period_seconds=seconds)


@dataclass(slots=True, kw_only=True)
class Counter:
    """Windows whose time stands still until it is moved."""

    windows: RateWindows
    move: Callable[[float], None]

    async def take(self, *quotas: Quota, units: int = 1) -> bool:
        """Whether it was let in."""
        return all(one.wait_seconds == 0 for one in await self.standings(*quotas, units=units))

    async def standings(self, *quotas: Quota, units: int = 1) -> list[Standing]:
        return list(await self.windows.take([Charge(quota=one, units=units) for one in quotas]))

    async def look(self, one: Quota) -> Standing:
        return (await self.windows.look([one]))[0]


@pytest.fixture(params=["memory", pytest.param("valkey", marks=pytest.mark.valkey)])
async def counter(request: pytest.FixtureRequest) -> AsyncIterator[Counter]:
    if request.param == "memory":
        clock = FakeClock()
        yield Counter(windows=MemoryWindows(clock), move=lambda seconds: clock.advance(seconds=seconds))
        return
    valkey: ValkeyHandle = request.getfixturevalue("valkey")
    windows = ValkeyWindows(SecretStr(valkey.url), server_time=LONG_AGO_SECONDS, timeout_seconds=PATIENCE_SECONDS)

    def move(seconds: float) -> None:
        windows.server_time = (windows.server_time or 0) + seconds

    yield Counter(windows=windows, move=move)
    await windows.aclose()


class TestTake:
    async def test_lets_in_what_the_quota_has_and_says_what_is_left(self, counter: Counter) -> None:
        three = quota(3)
        remaining = [(await counter.standings(three))[0].remaining for _ in range(3)]
        assert remaining == [2, 1, 0]
        assert not await counter.take(three)

    async def test_a_refusal_says_how_long_to_wait_and_waiting_helps(self, counter: Counter) -> None:
        two = quota(2)
        await counter.take(two)
        counter.move(10)
        await counter.take(two)
        counter.move(20)
        [refused] = await counter.standings(two)
        assert (refused.remaining, refused.wait_seconds, refused.reset_seconds) == (0, 30, 30)
        counter.move(29.5)
        assert not await counter.take(two)
        counter.move(0.5)
        assert await counter.take(two)
        assert not await counter.take(two)

    async def test_the_window_slides(self, counter: Counter) -> None:
        """At the edge of two fixed minutes twice as many would fit."""
        ten = quota(10)
        counter.move(59)
        assert [await counter.take(ten) for _ in range(10)] == [True] * 10
        counter.move(2)
        assert not await counter.take(ten)

    async def test_takes_from_all_or_from_none(self, counter: Counter) -> None:
        own, shared = quota(5), quota(1)
        assert await counter.take(own, shared)
        standings = await counter.standings(own, shared)
        assert [one.wait_seconds > 0 for one in standings] == [False, True]
        assert (await counter.look(own)).remaining == 4

    async def test_units_wait_until_all_of_them_fit(self, counter: Counter) -> None:
        ten = quota(10)
        for _ in range(5):
            await counter.take(ten, units=2)
            counter.move(1)
        [refused] = await counter.standings(ten, units=5)
        assert refused.wait_seconds == 57  # when the first three pairs are over
        assert not await counter.take(ten, units=11)

    async def test_nothing_is_asked_of_what_is_not_there(self, counter: Counter) -> None:
        assert list(await counter.windows.take([])) == list(await counter.windows.look([])) == []

    async def test_no_stretch_of_a_period_ever_has_more(self, counter: Counter) -> None:
        """Against a list of everything that was let in, for limits small and large, at any pace."""
        random, now = Random(7), 0.0
        for limit, seconds in ((1, 1.0), (10, 60.0), (40, 2.0)):
            one, let_in = quota(limit, seconds), list[float]()
            for _ in range(150):
                step = random.choice((0.0, 0.0, 0.01, 0.3, seconds / limit, seconds))
                counter.move(step)
                now += step
                within = sum(1 for at in let_in if at > now - seconds + 1e-5)
                near = sum(1 for at in let_in if at > now - seconds * 1.002)
                is_in = await counter.take(one)
                assert not (is_in and within >= limit), "more than the quota"
                assert is_in or near >= limit, "refused although there was room"
                if is_in:
                    let_in.append(now)

    async def test_a_race_of_four_hundred_lets_in_exactly_the_quota(self, counter: Counter) -> None:
        seven, many = quota(7), quota(100)
        let_in = await asyncio.gather(*(counter.take(seven, many) for _ in range(RACERS)))
        assert sum(let_in) == 7
        assert (await counter.look(many)).remaining == 93


class TestAdd:
    async def test_counts_beyond_the_limit_and_pays_it_off(self, counter: Counter) -> None:
        hundred = quota(100)
        await counter.windows.add(hundred, 60)
        counter.move(30)
        await counter.windows.add(hundred, 90)
        assert (await counter.look(hundred)).remaining == 0
        [refused] = await counter.standings(hundred, units=0)
        assert refused.wait_seconds == 30
        counter.move(30)
        [standing] = await counter.standings(hundred, units=0)
        assert (standing.wait_seconds, standing.remaining) == (0, 10)


class TestLook:
    async def test_changes_nothing(self, counter: Counter) -> None:
        one = quota(1)
        standings = [await counter.look(one) for _ in range(3)]
        assert {standing.remaining for standing in standings} == {1}
        assert standings[-1].reset_seconds == 0
        assert await counter.take(one)

    async def test_is_right_when_all_is_over(self, counter: Counter) -> None:
        three = quota(3)
        await counter.take(three)
        counter.move(61)
        assert (await counter.look(three)).remaining == 3


class TestMemoryWindows:
    async def test_setting_the_clock_of_the_machine_changes_nothing(self) -> None:
        clock = FakeClock()
        windows, one = MemoryWindows(clock), quota(1)
        await windows.take([Charge(quota=one)])
        clock.set_wall_clock(seconds=-3600)
        assert (await windows.look([one]))[0].reset_seconds == 60
        clock.set_wall_clock(seconds=+7200)
        assert (await windows.look([one]))[0].remaining == 0

    async def test_keys_that_are_over_do_not_pile_up(self) -> None:
        clock = FakeClock()
        windows = MemoryWindows(clock)
        for number in range(2000):
            clock.advance(seconds=1)
            await windows.take([Charge(quota=quota(5, 10, key=str(number)))])
        assert len(windows._logs) < 100

    async def test_a_busy_key_holds_a_bounded_log(self) -> None:
        clock = FakeClock()
        windows, busy = MemoryWindows(clock), quota(10**9, 1)
        for _ in range(20_000):
            clock.advance(seconds=0.0001)
            await windows.take([Charge(quota=busy)])
        assert len(windows._logs[busy.key].entries) <= 1001


@pytest.mark.valkey
class TestValkeyWindows:
    async def test_replicas_count_together(self, valkey: ValkeyHandle) -> None:
        """Many processes would do the same: each has its own connections, and none its own clock."""
        replicas = [ValkeyWindows(SecretStr(valkey.url), timeout_seconds=PATIENCE_SECONDS) for _ in range(4)]
        fifty = quota(50)
        takes = [replicas[n % 4].take([Charge(quota=fifty)]) for n in range(RACERS)]
        let_in = [standing.wait_seconds == 0 for [standing] in await asyncio.gather(*takes)]
        assert sum(let_in) == 50
        for replica in replicas:
            await replica.aclose()

    async def test_a_server_whose_clock_is_set_back_makes_nobody_wait_for_it(self, valkey: ValkeyHandle) -> None:
        windows, one = ValkeyWindows(SecretStr(valkey.url), server_time=LONG_AGO_SECONDS), quota(1)
        await windows.take([Charge(quota=one)])
        windows.server_time = LONG_AGO_SECONDS - 3600
        [refused] = await windows.take([Charge(quota=one)])
        assert refused.wait_seconds == 60
        windows.server_time += 60
        [standing] = await windows.take([Charge(quota=one)])
        assert standing.wait_seconds == 0
        await windows.aclose()

    async def test_nothing_stays_behind_when_a_period_is_over(self, valkey: ValkeyHandle) -> None:
        windows, short = ValkeyWindows(SecretStr(valkey.url)), quota(5, 30)
        await windows.take([Charge(quota=short)])
        [name] = [key for key in valkey.command("KEYS", "*") if short.key.encode() in _bytes(key)]
        assert 0 < valkey.command("PTTL", name) <= 30_000
        await windows.aclose()


def _bytes(key: Any) -> bytes:
    return key if isinstance(key, bytes) else str(key).encode()


@pytest.mark.valkey
class TestFailover:
    @pytest.mark.parametrize("harm", [ValkeyHandle.kill, ValkeyHandle.freeze])
    async def test_each_process_counts_for_itself_while_valkey_is_away(
        self, valkey: ValkeyHandle, harm: Callable[[ValkeyHandle], None]
    ) -> None:
        clock = FakeClock()
        windows = FailoverWindows(ValkeyWindows(SecretStr(valkey.url)), MemoryWindows(clock), clock=clock)
        three = quota(3)
        assert await _let_in(windows.take, three)
        harm(valkey)
        try:
            assert [await _let_in(windows.take, three) for _ in range(4)] == [True, True, True, False]
        finally:
            valkey.thaw() if harm is ValkeyHandle.freeze else valkey.start()
        clock.advance(seconds=RETRY_SECONDS)
        assert await _let_in(windows.take, three), "counted together again"
        await windows.aclose()


async def _let_in(take: Callable[[list[Charge]], Awaitable[Any]], one: Quota) -> bool:
    standings = await take([Charge(quota=one)])
    return bool(standings[0].wait_seconds == 0)
