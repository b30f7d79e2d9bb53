"""Hints between processes: quick when all is well, never trusted, healed without a restart."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from asyncpg import InterfaceError
from pydantic import SecretStr

from conversation_engine.infra.signals.hub import HINT_BYTES
from conversation_engine.infra.signals.local import LocalSignals
from conversation_engine.infra.signals.postgres import packed, postgres_signals
from conversation_engine.infra.signals.relay import OUTBOX_TOPICS, RelayedSignals
from conversation_engine.infra.signals.valkey import valkey_signals
from conversation_engine.kernel.errors import InvalidInputError
from tests.conftest import ValkeyHandle, until

LONG = 10.0
"""Longer than any test should wait for a hint."""
SHORT = 0.1
"""Long enough for a hint that must not come."""

OpenSignals = Callable[[], Awaitable[RelayedSignals]]


class PostgresServer:
    """Hints go through PostgreSQL."""

    connections_each = 1
    _OURS = "FROM pg_stat_activity WHERE application_name = 'conversation_engine signals'"

    def __init__(self, server: Any) -> None:
        self._server = server

    def make(self) -> RelayedSignals:
        """Signals of one process."""
        return postgres_signals(self._server.get_uri())

    def cut(self) -> None:
        """Break every line; new ones are taken."""
        self._server.psql(f"SELECT pg_terminate_backend(pid) {self._OURS};")

    def connections(self) -> int:
        """How many are open."""
        told = self._server.psql(f"SELECT 'open=' || count(*) {self._OURS};")
        return int(re.search(r"open=(\d+)", told)[1])  # type: ignore[index]


class ValkeyServer:
    """Hints go through Valkey."""

    connections_each = 2

    def __init__(self, valkey: ValkeyHandle) -> None:
        self._valkey = valkey

    def make(self) -> RelayedSignals:
        return valkey_signals(SecretStr(self._valkey.url))

    def cut(self) -> None:
        self._valkey.command("CLIENT", "KILL", "SKIPME", "yes")

    def connections(self) -> int:
        return int(self._valkey.command("INFO", "clients")["connected_clients"]) - 1


Server = PostgresServer | ValkeyServer


@pytest.fixture(
    params=[pytest.param("postgres", marks=pytest.mark.postgres), pytest.param("valkey", marks=pytest.mark.valkey)]
)
def server(request: pytest.FixtureRequest) -> Server:
    """Both ways between processes."""
    made = request.getfixturevalue(request.param)
    return PostgresServer(made) if request.param == "postgres" else ValkeyServer(made)


@pytest.fixture
async def open_signals(server: Server) -> AsyncIterator[OpenSignals]:
    """Signals of as many processes as wanted, connected."""
    async with AsyncExitStack() as stack:

        async def open_one() -> RelayedSignals:
            signals = server.make()
            await signals.start()
            stack.push_async_callback(signals.aclose)
            await until(lambda: signals.is_shared)
            return signals

        yield open_one


async def tuned(subscription: object) -> None:
    """Wait until the first hints have passed: those that say "from now on you are heard"."""
    while await subscription.wait(SHORT):  # type: ignore[attr-defined]
        pass


class TestDelivery:
    async def test_a_hint_reaches_the_subscribers_of_its_topic_everywhere(self, open_signals: OpenSignals) -> None:
        here, there = await open_signals(), await open_signals()
        async with AsyncExitStack() as stack:
            ears = [(here, "a"), (there, "a"), (there, "a"), (there, "b")]
            mine, theirs, too, other = [await stack.enter_async_context(ear.subscribe(topic)) for ear, topic in ears]
            for subscription in (mine, theirs, too, other):
                await tuned(subscription)
            await here.publish("a", 'né\n\x00"')
            assert all([await subscription.wait(LONG) for subscription in (mine, theirs, too)])
            assert mine.payload == theirs.payload == too.payload == 'né\n\x00"'
            assert not await other.wait(SHORT)

    async def test_the_sender_hears_itself_once(self, open_signals: OpenSignals) -> None:
        signals = await open_signals()
        async with signals.subscribe("a") as subscription:
            await tuned(subscription)
            await signals.publish("a")
            assert await subscription.wait(0)
            assert not await subscription.wait(SHORT)

    async def test_many_hints_between_two_looks_are_one(self, open_signals: OpenSignals) -> None:
        here, there = await open_signals(), await open_signals()
        async with there.subscribe("a") as subscription:
            await tuned(subscription)
            for n in range(500):
                await here.publish("a", str(n))
            await until(lambda: subscription.payload == "499")
            assert await subscription.wait(0)
            assert not await subscription.wait(SHORT)

    async def test_a_thousand_topics_need_no_connection_of_their_own(
        self, server: Server, open_signals: OpenSignals
    ) -> None:
        here, there = await open_signals(), await open_signals()
        before = server.connections()
        async with AsyncExitStack() as stack:
            subscriptions = [await stack.enter_async_context(there.subscribe(f"topic {n}")) for n in range(1000)]
            await tuned(subscriptions[-1])
            for subscription in subscriptions:
                await subscription.wait(0)
            for n in range(1000):
                await here.publish(f"topic {n}", str(n))
            assert all([await subscription.wait(LONG) for subscription in subscriptions])
            assert [subscription.payload for subscription in subscriptions] == [str(n) for n in range(1000)]
            assert server.connections() == before

    async def test_who_has_left_is_told_no_more(self, open_signals: OpenSignals) -> None:
        here, there = await open_signals(), await open_signals()
        async with there.subscribe("a") as left:
            pass
        async with there.subscribe("a") as stays:
            await tuned(stays)
            await here.publish("a")
            assert await stays.wait(LONG)
        assert not await left.wait(0)

    async def test_a_hint_takes_milliseconds(self, open_signals: OpenSignals) -> None:
        here, there = await open_signals(), await open_signals()
        took = []
        async with there.subscribe("a") as subscription:
            await tuned(subscription)
            for _ in range(100):
                began = time.perf_counter()
                await here.publish("a")
                assert await subscription.wait(LONG)
                took.append(time.perf_counter() - began)
        assert sorted(took)[50] < 0.05  # 1 ms on a quiet machine; polling would take 250


class TestLoss:
    async def test_everybody_is_woken_when_the_line_stands_again(
        self, server: Server, open_signals: OpenSignals
    ) -> None:
        """Who publishes may have been connected all the time: what it said meanwhile is lost, so look."""
        signals = await open_signals()
        async with signals.subscribe("a") as one, signals.subscribe("b") as other:
            await tuned(one)
            await tuned(other)
            server.cut()
            await until(lambda: not signals.is_shared)
            assert await one.wait(LONG)
            assert await other.wait(LONG)
            await until(lambda: signals.is_shared)
            assert await one.wait(LONG)
            assert await other.wait(LONG)

    async def test_hints_flow_again_by_themselves(self, server: Server, open_signals: OpenSignals) -> None:
        here, there = await open_signals(), await open_signals()
        async with there.subscribe("a") as subscription:
            for n in range(3):
                server.cut()
                await until(lambda: not here.is_shared or not there.is_shared)
                await until(lambda: here.is_shared and there.is_shared)
                await tuned(subscription)
                await here.publish("a", str(n))
                assert await subscription.wait(LONG)
                assert subscription.payload == str(n)


async def deafen(signals: RelayedSignals) -> None:
    """The line stays open and hears nothing any more. It may be at a test of itself just now: then once more."""
    while True:
        try:
            await signals._line._connection.execute("UNLISTEN *")  # type: ignore[union-attr]
        except InterfaceError:
            await asyncio.sleep(0.01)
        else:
            return


@pytest.mark.postgres
class TestPostgresDeaf:
    async def test_a_line_that_does_not_hear_itself_is_given_up(
        self, postgres: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("conversation_engine.infra.signals.relay.QUIET_SECONDS", 0.1)
        monkeypatch.setattr("conversation_engine.infra.signals.relay.SAYING_SECONDS", 0.3)
        signals = postgres_signals(postgres.get_uri())
        await signals.start()
        await until(lambda: signals.is_shared)
        await asyncio.sleep(0.5)  # some tests of the line
        assert signals.is_shared
        await deafen(signals)
        await until(lambda: not signals.is_shared)
        await until(lambda: signals.is_shared)
        await signals.aclose()


@pytest.mark.valkey
class TestValkeyAway:
    async def test_what_was_published_meanwhile_arrives_when_it_is_back(self, valkey: ValkeyHandle) -> None:
        here, there = (valkey_signals(SecretStr(valkey.url)) for _ in range(2))
        await here.start()
        await there.start()
        async with there.subscribe("a") as subscription:
            await until(lambda: here.is_shared and there.is_shared)
            valkey.kill()
            await until(lambda: not here.is_shared and not there.is_shared)
            began = time.perf_counter()
            for n in range(1000):
                await here.publish("a", str(n))
            assert time.perf_counter() - began < 1
            await tuned(subscription)
            valkey.start()
            assert await subscription.wait(LONG)
            await until(lambda: here.is_shared and there.is_shared)
            await tuned(subscription)
            await here.publish("a", "healed")
            assert await subscription.wait(LONG)
            assert subscription.payload == "healed"
        await here.aclose()
        await there.aclose()

    async def test_it_need_not_be_there_at_the_start(self, valkey: ValkeyHandle) -> None:
        valkey.stop()
        signals = valkey_signals(SecretStr(valkey.url))
        await signals.start()
        await signals.publish("a")
        await asyncio.sleep(SHORT)
        assert not signals.is_shared
        valkey.start()
        await until(lambda: signals.is_shared)
        await signals.aclose()

    async def test_a_server_that_hangs_is_given_up(self, valkey: ValkeyHandle, monkeypatch: pytest.MonkeyPatch) -> None:
        """No reset, no end of file: the peer just says nothing any more."""
        monkeypatch.setattr("conversation_engine.infra.signals.relay.QUIET_SECONDS", 0.1)
        monkeypatch.setattr("conversation_engine.infra.signals.relay.SAYING_SECONDS", 0.3)
        monkeypatch.setattr("conversation_engine.infra.signals.relay.OPENING_SECONDS", 0.3)
        signals = valkey_signals(SecretStr(valkey.url))
        await signals.start()
        await until(lambda: signals.is_shared)
        await asyncio.sleep(0.5)  # some tests of the line
        assert signals.is_shared
        valkey.freeze()
        try:
            await until(lambda: not signals.is_shared)
        finally:
            valkey.thaw()
        await until(lambda: signals.is_shared)
        await signals.aclose()

    async def test_too_many_hints_to_keep_become_one_to_everybody(self, valkey: ValkeyHandle) -> None:
        here, there = (valkey_signals(SecretStr(valkey.url)) for _ in range(2))
        await there.start()
        async with there.subscribe("any") as subscription:
            await until(lambda: there.is_shared)
            await tuned(subscription)
            await here.start()
            for n in range(OUTBOX_TOPICS + 1):  # before it has connected
                await here.publish(f"topic {n}")
            assert await subscription.wait(LONG)
        await here.aclose()
        await there.aclose()

    @pytest.mark.parametrize("url", ["http://host", "valkey://host:x", "cache:6379", ""])
    def test_what_is_no_address_is_refused_without_being_quoted(self, url: str) -> None:
        with pytest.raises(InvalidInputError, match="CE_VALKEY_URL") as refused:
            valkey_signals(SecretStr(url))
        assert not url or url not in str(refused.value)

    async def test_no_password_is_logged(self, caplog: pytest.LogCaptureFixture, valkey: ValkeyHandle) -> None:
        signals = valkey_signals(SecretStr(valkey.url.replace("://", "://ada:open-sesame@")))
        caplog.set_level("DEBUG")
        await signals.start()
        await until(lambda: "signals.lost" in caplog.text)
        await signals.aclose()
        assert not [record for record in caplog.records if "sesame" in str(vars(record))]


class TestClose:
    async def test_nothing_is_left(self, server: Server) -> None:
        before = asyncio.all_tasks()
        connections = server.connections()
        signals = server.make()
        await signals.start()
        await until(lambda: signals.is_shared)
        assert len(asyncio.all_tasks()) > len(before)
        assert server.connections() == connections + server.connections_each
        await signals.aclose()
        await signals.aclose()
        assert asyncio.all_tasks() == before
        await until(lambda: server.connections() == connections)
        assert not signals.is_shared

    async def test_it_may_come_while_connecting(self, server: Server) -> None:
        before = asyncio.all_tasks()
        for pause in (0, 0.001, 0.003, 0.01):
            signals = server.make()
            await signals.start()
            await asyncio.sleep(pause)
            await signals.aclose()
        assert asyncio.all_tasks() == before

    async def test_the_last_hint_leaves_before(self, server: Server, open_signals: OpenSignals) -> None:
        there = await open_signals()
        here = await open_signals()
        async with there.subscribe("a") as subscription:
            await tuned(subscription)
            await here.publish("a", "bye")
            await here.aclose()
            assert await subscription.wait(LONG)
            assert subscription.payload == "bye"

    async def test_publishing_afterwards_or_before_is_harmless(self, server: Server) -> None:
        signals = server.make()
        await signals.publish("a")
        await signals.start()
        await signals.aclose()
        await signals.publish("a")


class TestHints:
    async def test_in_one_process_they_need_no_server(self) -> None:
        signals = LocalSignals()
        async with signals.subscribe("a") as subscription:
            assert not await subscription.wait(0)
            await signals.publish("a", "x")
            assert await subscription.wait(0)
            assert subscription.payload == "x"
        assert not signals.is_shared

    @pytest.mark.parametrize("make", [LocalSignals, lambda: postgres_signals("postgresql://nowhere/x")])
    async def test_a_large_one_is_refused_everywhere(self, make: Callable[[], LocalSignals]) -> None:
        signals = make()
        await signals.publish("a", "x" * (HINT_BYTES - 20))
        with pytest.raises(ValueError, match="bytes"):
            await signals.publish("a", "x" * HINT_BYTES)
        with pytest.raises(ValueError, match="bytes"):
            await signals.publish("a", "\U0001f469" * (HINT_BYTES // 12))

    def test_postgres_is_sent_few_notifications_that_it_takes(self) -> None:
        few = list(packed({f"turn:{n:036}": "" for n in range(100)}))
        large = list(packed({str(n): "x" * (HINT_BYTES - 20) for n in range(3)}))
        assert len(few) == 1
        assert len(large) == 3
        assert all(len(text) < 8000 for text in (*few, *large))
