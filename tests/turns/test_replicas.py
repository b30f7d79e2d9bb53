"""Two processes on one PostgreSQL: what runs on one is watched on the other."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from statistics import median

import pytest
from pydantic import SecretStr

from conversation_engine.domains.conversations.types import BusyPolicy
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.turns.types import Turn, TurnState
from tests.conftest import OpenEngine, ValkeyHandle, until
from tests.turns.scenes import ToldModel, Watcher, answered, ask, begin, collect, messages_of, rows

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.parametrize("database_url", ["postgres"], indirect=True),
]
WORDS = ("Zoë\r\n", "👩\u200d👧", " says ", "\u2028", "e\u0301", "naught", "…\n\n", "and ", "more", ".")
CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'conversation_engine signals'"

OpenReplicas = Callable[[ToldModel], Awaitable[tuple[ConversationEngine, ConversationEngine]]]


@pytest.fixture(params=["postgres", pytest.param("valkey", marks=pytest.mark.valkey)])
def open_replicas(request: pytest.FixtureRequest, open_engine: OpenEngine) -> OpenReplicas:
    """One that runs turns, one that watches; both hear each other."""
    changes = {}
    if request.param == "valkey":
        changes = {"valkey_url": SecretStr(request.getfixturevalue("valkey").url)}

    async def open_both(model: ToldModel) -> tuple[ConversationEngine, ConversationEngine]:
        runs, watches = await open_engine(model, **changes), await open_engine(**changes)
        await until(lambda: runs._signals.is_shared and watches._signals.is_shared)
        return runs, watches

    return open_both


async def tell(model: ToldModel, watcher: Watcher, *words: str) -> list[float]:
    """Say one word after the other, each when the one before has been seen; how long each took."""
    took = []
    for word in words:
        began = time.perf_counter()
        model.say(word)
        await watcher.has_seen(watcher.text + word)
        took.append(time.perf_counter() - began)
    return took


async def assert_same(replicas: tuple[ConversationEngine, ConversationEngine], turn: Turn, watcher: Watcher) -> None:
    """What was watched is what is stored, from everywhere and from every offset."""
    ended = await watcher.end()
    assert ended.detail.turn.state is TurnState.COMPLETED
    assert watcher.text == (await messages_of(replicas[0], turn.conversation_id))[-1].content
    assert watcher.offsets == sorted(set(watcher.offsets))
    for replica in replicas:
        for after in (0, 1, 9, len(watcher.text), len(watcher.text) + 1):
            deltas, _ = await collect(replica, turn, after=after)
            assert "".join(delta.text for delta in deltas) == watcher.text[after:]


class TestWatch:
    async def test_words_are_seen_when_they_are_said(self, open_replicas: OpenReplicas) -> None:
        model = ToldModel()
        replicas = await open_replicas(model)
        turn = await ask(replicas[0], (await begin(replicas[0])).id)
        watcher = Watcher(replicas[1], turn)
        took = await tell(model, watcher, *WORDS)
        model.finish()
        began = time.perf_counter()
        await assert_same(replicas, turn, watcher)
        assert median(took) < 0.25  # unasked it looks once a second
        assert time.perf_counter() - began < 5

    async def test_who_comes_in_the_middle_is_told_from_there(self, open_replicas: OpenReplicas) -> None:
        model = ToldModel()
        replicas = await open_replicas(model)
        turn = await ask(replicas[0], (await begin(replicas[0])).id)
        first = Watcher(replicas[1], turn)
        await tell(model, first, *WORDS)
        for after in (0, 1, 6, 7, 11, len(first.text)):
            late = Watcher(replicas[1], turn, after=after)
            await late.has_seen(first.text[after:])
            await late.leave()
        model.finish()
        await assert_same(replicas, turn, first)

    async def test_both_may_be_deaf_for_a_while(self, open_replicas: OpenReplicas) -> None:
        model = ToldModel()
        replicas = await open_replicas(model)
        turn = await ask(replicas[0], (await begin(replicas[0])).id)
        watcher = Watcher(replicas[1], turn)
        for word in WORDS:
            await rows(replicas[0], CUT)  # says nothing to those who hear through Valkey
            await tell(model, watcher, word)
        model.finish()
        await assert_same(replicas, turn, watcher)

    async def test_a_deleted_conversation_ends_the_stream(self, open_replicas: OpenReplicas) -> None:
        model = ToldModel()
        replicas = await open_replicas(model)
        turn = await ask(replicas[0], (await begin(replicas[0])).id)
        watcher = Watcher(replicas[1], turn)
        await tell(model, watcher, "half")
        await replicas[0].conversations.delete(turn.conversation_id, owner_id=turn.owner_id)
        with pytest.raises(Exception, match="conversation"):
            await watcher.end()


@pytest.mark.valkey
class TestValkeyDies:
    async def test_nothing_is_lost_and_it_heals(self, open_engine: OpenEngine, valkey: ValkeyHandle) -> None:
        model = ToldModel()
        address = SecretStr(valkey.url)
        replicas = (await open_engine(model, valkey_url=address), await open_engine(valkey_url=address))
        await until(lambda: all(replica._signals.is_shared for replica in replicas))
        turn = await ask(replicas[0], (await begin(replicas[0])).id)
        watcher = Watcher(replicas[1], turn)
        await tell(model, watcher, *WORDS[:3])
        valkey.kill()
        await tell(model, watcher, *WORDS[3:7])
        valkey.start()
        await until(lambda: all(replica._signals.is_shared for replica in replicas))
        took = await tell(model, watcher, *WORDS[7:])
        model.finish()
        await assert_same(replicas, turn, watcher)
        assert median(took) < 0.25

    async def test_turns_begin_and_end_without_it(self, open_engine: OpenEngine, valkey: ValkeyHandle) -> None:
        valkey.kill()
        model = ToldModel()
        runs = await open_engine(model, valkey_url=SecretStr(valkey.url))
        watches = await open_engine(valkey_url=SecretStr(valkey.url))
        turn = await ask(runs, (await begin(runs)).id)
        model.say("alone")
        model.finish()
        detail = await answered(watches, turn)
        assert detail.reply is not None
        assert detail.reply.content == "alone"


class TestCancel:
    async def test_the_model_is_left_at_once_wherever_it_is_asked(self, open_replicas: OpenReplicas) -> None:
        model = ToldModel()
        runs, asked = await open_replicas(model)
        took = []
        for _ in range(5):
            turn = await ask(runs, (await begin(runs)).id)
            watcher = Watcher(asked, turn)
            await tell(model, watcher, *WORDS[:2])
            closed, began = model.closed, time.perf_counter()
            cancelling = asyncio.create_task(asked.turns.cancel(turn.conversation_id, turn.id, owner_id=turn.owner_id))
            await until(lambda closed=closed: model.closed > closed)  # type: ignore[misc]
            took.append(time.perf_counter() - began)
            detail = await cancelling
            assert detail.turn.state is TurnState.CANCELLED
            assert detail.reply is not None
            assert detail.reply.content == watcher.text
        assert median(took) < 0.25  # unasked it looks once a second

    async def test_who_watches_a_turn_in_line_sees_it_leave(self, open_replicas: OpenReplicas) -> None:
        model = ToldModel()
        runs, asked = await open_replicas(model)
        running = await ask(runs, (await begin(runs)).id)
        took = []
        for _ in range(3):
            waiting = await ask(runs, running.conversation_id, on_busy=BusyPolicy.QUEUE)
            watcher = Watcher(asked, waiting)
            await asyncio.sleep(0.1)
            began = time.perf_counter()
            await runs.turns.cancel(waiting.conversation_id, waiting.id, owner_id=waiting.owner_id)
            assert (await watcher.end()).detail.turn.state is TurnState.CANCELLED
            took.append(time.perf_counter() - began)
        model.finish()
        assert median(took) < 0.5
