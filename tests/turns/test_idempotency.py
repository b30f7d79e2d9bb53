"""The same request, sent more than once."""

import asyncio

import pytest

from conversation_engine.domains.conversations.types import BusyPolicy, NewConversation
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.kernel.ids import ConversationId, UserId
from conversation_engine.kernel.once import IdempotencyKeyReusedError, Once
from conversation_engine.testing import Say, ScriptedModel
from conversation_engine.turns.errors import TurnInProgressError
from conversation_engine.turns.types import NewTurn, Turn
from tests.conftest import OpenEngine
from tests.turns.scenes import ToldModel, answered, ask, begin, collect, count


def once(key: str = "key", *parts: str) -> Once:
    return Once.of(key, *parts)


class TestTurn:
    async def test_a_repetition_is_the_same_turn_and_the_same_stream(self, open_engine: OpenEngine) -> None:
        model = ScriptedModel([Say("once "), Say("only")])
        engine = await open_engine(model)
        conversation = await begin(engine)
        first = await ask(engine, conversation.id, once=once())
        deltas, ended = await collect(engine, first)
        again = await ask(engine, conversation.id, once=once())
        repeated, same_end = await collect(engine, again)
        assert again.id == first.id
        assert "".join(delta.text for delta in repeated) == "".join(delta.text for delta in deltas) == "once only"
        assert same_end.detail == ended.detail
        assert (len(model.requests), await count(engine, "messages")) == (1, 2)

    async def test_another_request_with_that_key_is_refused(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel())
        conversation = await begin(engine)
        await answered(engine, await ask(engine, conversation.id, once=once("key", "one")))
        with pytest.raises(IdempotencyKeyReusedError):
            await ask(engine, conversation.id, once=once("key", "two"))
        assert await count(engine, "turns") == 1

    async def test_keys_are_the_callers_own(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel([Say("a")], [Say("b")]))
        eve = UserId("eve")
        mine = await begin(engine)
        first = await ask(engine, mine.id, once=once())
        other = await engine.conversations.create(NewConversation(owner_id=eve))
        second = await engine.turns.submit(NewTurn(conversation_id=other.id, owner_id=eve, content="hi", once=once()))
        assert first.id != second.id

    async def test_a_refused_request_leaves_its_key_free(self, open_engine: OpenEngine) -> None:
        model = ToldModel()
        engine = await open_engine(model)
        conversation = await begin(engine)
        running = await ask(engine, conversation.id)
        with pytest.raises(TurnInProgressError):
            await ask(engine, conversation.id, "again", once=once())
        model.finish()
        await answered(engine, running)
        assert (await ask(engine, conversation.id, "again", once=once())).id != running.id

    async def test_a_queued_turn_is_found_again_too(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ToldModel())
        conversation = await begin(engine)
        await ask(engine, conversation.id)
        turns = [await ask(engine, conversation.id, "next", once=once(), on_busy=BusyPolicy.QUEUE) for _ in range(2)]
        assert turns[0].id == turns[1].id
        assert await count(engine, "turns") == 2

    async def test_keys_are_forgotten_in_time(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel([Say("a")], [Say("b")]), idempotency_hours=0.2 / 3600)
        conversation = await begin(engine)
        first = await ask(engine, conversation.id, once=once())
        await answered(engine, first)
        await asyncio.sleep(0.25)
        assert (await ask(engine, conversation.id, once=once())).id != first.id

    async def test_a_hundred_racing_duplicates_on_two_processes_are_one_turn_and_one_bill(
        self, open_engine: OpenEngine
    ) -> None:
        model = ScriptedModel([Say("one")])
        engines = [await open_engine(model), await open_engine(model)]
        conversation = await begin(engines[0])

        async def send(engine: ConversationEngine, conversation_id: ConversationId) -> Turn:
            return await ask(engine, conversation_id, once=once())

        turns = await asyncio.gather(*(send(engines[n % 2], conversation.id) for n in range(100)))
        assert len({turn.id for turn in turns}) == 1
        await answered(engines[0], turns[0])
        assert len(model.requests) == 1
        assert await count(engines[0], "llm_requests") == 1
        assert await count(engines[0], "messages") == 2
