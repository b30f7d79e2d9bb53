"""Replies are made durable in the background, together, and the store may be away for a while."""

import asyncio
from collections.abc import Callable
from typing import Any

from sqlalchemy import text

from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.turns.types import TurnState
from tests.conftest import OpenEngine, until
from tests.turns.scenes import ToldModel, Watcher, answered, ask, begin, count, messages_of, rows


class Outage:
    """The store of one engine, which can be taken away."""

    def __init__(self, engine: ConversationEngine) -> None:
        self._write = engine.database.write
        self.is_on = False
        self.refused = 0
        engine.database.write = self.write  # type: ignore[method-assign]

    async def write(self, work: Callable[[Any], Any]) -> Any:
        if self.is_on:
            self.refused += 1
            await asyncio.sleep(0.02)
            raise ConnectionError("the store is away")
        return await self._write(work)


class TestOutage:
    async def test_nothing_is_shown_that_is_not_stored_and_all_of_it_later(self, open_engine: OpenEngine) -> None:
        model = ToldModel()
        engine = await open_engine(model)
        outage = Outage(engine)
        turn = await ask(engine, (await begin(engine)).id)
        watcher = Watcher(engine, turn)
        model.say("before ")
        await watcher.has_seen("before ")
        outage.is_on = True
        model.say("during ")
        await asyncio.sleep(0.1)
        assert watcher.text == "before "
        assert outage.refused > 0
        outage.is_on = False
        await watcher.has_seen("before during ")
        model.finish()
        ended = await watcher.end()
        assert ended.detail.turn.state is TurnState.COMPLETED
        assert (await messages_of(engine, turn.conversation_id))[-1].content == "before during "

    async def test_a_turn_that_ends_meanwhile_is_recorded_afterwards(self, open_engine: OpenEngine) -> None:
        model = ToldModel()
        engine = await open_engine(model)
        outage = Outage(engine)
        turn = await ask(engine, (await begin(engine)).id)
        outage.is_on = True
        model.say("all of it")
        model.finish()
        await asyncio.sleep(0.3)
        outage.is_on = False
        detail = await answered(engine, turn)
        assert detail.turn.state is TurnState.COMPLETED
        assert detail.reply is not None
        assert detail.reply.content == "all of it"
        await asyncio.sleep(0.6)  # longer than the log waits before it tries again
        assert await count(engine, "reply_checkpoints") == 0

    async def test_first_words_do_not_hurry_a_store_that_is_away(self, open_engine: OpenEngine) -> None:
        model = ToldModel()
        engine = await open_engine(model, lease_seconds=60)
        outage = Outage(engine)
        turn = await ask(engine, (await begin(engine)).id)
        outage.is_on = True
        for _ in range(30):
            model.say("word ")
            await asyncio.sleep(0.01)
        assert outage.refused <= 2  # half a second lies between two tries
        outage.is_on = False
        model.finish()
        assert (await answered(engine, turn)).reply.content == "word " * 30  # type: ignore[union-attr]


class TestGroupCommit:
    async def test_words_of_many_turns_share_their_commits(self, open_engine: OpenEngine) -> None:
        models = [ToldModel() for _ in range(20)]
        engine = await open_engine(models[0], checkpoint_interval_seconds=0.05)
        for number, model in enumerate(models[1:], start=1):
            engine._catalog._families[f"m{number}"] = _family_like(engine, model)
        turns = [
            await ask(engine, (await begin(engine)).id, model="scripted/x" if number == 0 else f"m{number}/x")
            for number in range(20)
        ]
        watchers = [Watcher(engine, turn) for turn in turns]
        outage = Outage(engine)  # counts nothing while off; it is the seam that writes pass through
        writes = 0
        inner = outage.write

        async def counted(work: Callable[[Any], Any]) -> Any:
            nonlocal writes
            writes += 1
            return await inner(work)

        engine.database.write = counted  # type: ignore[method-assign]
        for word in range(10):
            for model in models:
                model.say(f"{word}")
            await asyncio.sleep(0.03)
        for watcher in watchers:
            await watcher.has_seen("0123456789")
        assert writes <= 40  # 200 words; a commit each would be 200
        for model in models:
            model.finish()
        for watcher in watchers:
            await watcher.end()


def _family_like(engine: ConversationEngine, model: ToldModel) -> Any:
    from dataclasses import replace

    return replace(engine._catalog._families["scripted"], provider=model)


class TestEarlierAttempt:
    async def test_it_writes_nothing_once_the_next_has_begun(self, open_engine: OpenEngine) -> None:
        model = ToldModel()
        engine = await open_engine(model)
        turn = await ask(engine, (await begin(engine)).id)
        watcher = Watcher(engine, turn)
        model.say("before ")
        await watcher.has_seen("before ")
        await engine.database.write(lambda tx: tx.execute(text("UPDATE turns SET attempt = 2")))
        model.say("too late")
        await until(lambda: model.closed == 1)
        pieces = await rows(engine, "SELECT attempt, text FROM reply_checkpoints")
        assert [(piece["attempt"], piece["text"]) for piece in pieces] == [(1, "before ")]
        assert (await engine.turns.get(turn.conversation_id, turn.id, owner_id=turn.owner_id)).turn.state == "running"
