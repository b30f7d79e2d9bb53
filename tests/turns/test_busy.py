"""A second turn while the conversation is still answering."""

import asyncio

import pytest

from conversation_engine.domains.conversations.types import BusyPolicy, ConversationStatus, MessageStatus
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.kernel.errors import InvalidInputError
from conversation_engine.testing import Pause, Say, ScriptedModel
from conversation_engine.turns.errors import QueueFullError, TurnInProgressError
from conversation_engine.turns.types import TurnState
from tests.conftest import OpenEngine
from tests.turns.conftest import OpenStale
from tests.turns.scenes import ADA, ToldModel, Watcher, answered, ask, begin, messages_of, rows

QUEUE, INTERRUPT = BusyPolicy.QUEUE, BusyPolicy.INTERRUPT


async def contents(engine: ConversationEngine, conversation_id: str) -> list[object]:
    return [message.content for message in await messages_of(engine, conversation_id)]  # type: ignore[arg-type]


class TestReject:
    async def test_it_names_the_running_turn_and_says_when_to_come_back(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ToldModel())
        conversation = await begin(engine)
        running = await ask(engine, conversation.id)
        with pytest.raises(TurnInProgressError) as refused:
            await ask(engine, conversation.id, on_busy=BusyPolicy.REJECT)
        assert refused.value.facts == {"turn_id": running.id, "retry_after": 1}


class TestWhoSays:
    async def test_the_request_comes_before_the_conversation_and_that_before_the_settings(
        self, open_engine: OpenEngine
    ) -> None:
        engine = await open_engine(ToldModel(), on_busy="interrupt")
        conversation = await begin(engine, on_busy=QUEUE)
        running = await ask(engine, conversation.id)
        assert (await ask(engine, conversation.id)).state is TurnState.QUEUED
        with pytest.raises(TurnInProgressError):
            await ask(engine, conversation.id, on_busy=BusyPolicy.REJECT)
        other = await begin(engine)
        first, second = await ask(engine, other.id), await ask(engine, other.id)
        assert (await answered(engine, first)).turn.state is TurnState.INTERRUPTED
        assert {running.state, second.state} == {TurnState.RUNNING}


class TestQueue:
    async def test_turns_run_in_the_order_they_came(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel(*[[Pause(0.01), Say(f"reply {n}")] for n in range(4)]))
        conversation = await begin(engine)
        turns = [await ask(engine, conversation.id, f"question {n}", on_busy=QUEUE) for n in range(4)]
        assert [turn.state for turn in turns] == [TurnState.RUNNING] + [TurnState.QUEUED] * 3
        for turn in turns:
            assert (await answered(engine, turn)).turn.state is TurnState.COMPLETED
        said = [word for n in range(4) for word in (f"question {n}", f"reply {n}")]
        assert await contents(engine, conversation.id) == said

    async def test_who_waits_is_visible_and_says_nothing_yet(self, open_engine: OpenEngine) -> None:
        model = ToldModel()
        engine = await open_engine(model)
        conversation = await begin(engine)
        first = await ask(engine, conversation.id, "one")
        second = await ask(engine, conversation.id, "two", on_busy=QUEUE)
        waiting = await engine.turns.list_of(conversation.id, owner_id=ADA, state=TurnState.QUEUED)
        assert [turn.id for turn in waiting.items] == [second.id]
        assert [turn.id for turn in (await engine.turns.list_of(conversation.id, owner_id=ADA)).items] == [
            second.id,
            first.id,
        ]
        assert await contents(engine, conversation.id) == ["one"]

    @pytest.mark.parametrize("limit", [-1, 0, 201])
    async def test_a_page_of_turns_has_one_to_two_hundred(self, open_engine: OpenEngine, limit: int) -> None:
        engine = await open_engine()
        conversation = await begin(engine)
        with pytest.raises(InvalidInputError):
            await engine.turns.list_of(conversation.id, owner_id=ADA, limit=limit)

    async def test_the_line_is_bounded(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ToldModel(), queue_limit=2)
        conversation = await begin(engine)
        for _ in range(3):
            await ask(engine, conversation.id, on_busy=QUEUE)
        with pytest.raises(QueueFullError) as refused:
            await ask(engine, conversation.id, on_busy=QUEUE)
        assert refused.value.facts["limit"] == 2

    async def test_one_who_waits_can_leave(self, open_engine: OpenEngine) -> None:
        model = ToldModel()
        engine = await open_engine(model)
        conversation = await begin(engine)
        first = await ask(engine, conversation.id, "one")
        second = await ask(engine, conversation.id, "two", on_busy=QUEUE)
        left = await engine.turns.cancel(conversation.id, second.id, owner_id=ADA)
        assert (left.turn.state, left.reply) == (TurnState.CANCELLED, None)
        model.finish()
        await answered(engine, first)
        assert model.calls == 1
        assert await contents(engine, conversation.id) == ["one"]

    async def test_a_watcher_sees_it_from_the_line_to_its_end(self, open_engine: OpenEngine) -> None:
        model = ToldModel()
        engine = await open_engine(model)
        conversation = await begin(engine)
        await ask(engine, conversation.id, "one")
        watcher = Watcher(engine, await ask(engine, conversation.id, "two", on_busy=QUEUE))
        model.finish()
        model.say("here")
        await watcher.has_seen("here")
        model.finish()
        assert (await watcher.end()).detail.turn.state is TurnState.COMPLETED

    async def test_it_ends_failed_where_the_conversation_has_ended_meanwhile(self, open_engine: OpenEngine) -> None:
        model = ToldModel()
        engine = await open_engine(model)
        conversation = await begin(engine)
        await ask(engine, conversation.id, "one")
        second = await ask(engine, conversation.id, "two", on_busy=QUEUE)
        await engine.conversations.set_status(conversation.id, ConversationStatus.ARCHIVED, owner_id=ADA)
        model.finish()
        detail = await answered(engine, second)
        assert detail.turn.error is not None
        assert (detail.turn.state, detail.turn.error.code) == (TurnState.FAILED, "conversation_not_active")

    async def test_many_writers_on_many_processes_are_all_answered_in_one_order(self, open_engine: OpenEngine) -> None:
        script = [[Say("yes")] for _ in range(24)]
        engines = [await open_engine(ScriptedModel(*script), queue_limit=100, sweep_seconds=0.2) for _ in range(2)]
        conversation = await begin(engines[0])

        async def write(number: int) -> None:
            for n in range(4):
                engine = engines[(number + n) % 2]
                turn = await ask(engine, conversation.id, f"{number}.{n}", on_busy=QUEUE)
                assert (await answered(engine, turn)).turn.state is TurnState.COMPLETED

        await asyncio.gather(*(write(number) for number in range(6)))
        messages = await messages_of(engines[0], conversation.id)
        assert [message.sequence_number for message in messages] == list(range(1, 49))
        assert [message.role.value for message in messages] == ["user", "assistant"] * 24
        assert len({message.content for message in messages}) == 25

    async def test_the_line_of_a_dead_process_moves_on(self, open_stale: OpenStale, open_engine: OpenEngine) -> None:
        stale = await open_stale(ToldModel())
        conversation = await begin(stale)
        first = await ask(stale, conversation.id, "one")
        second = await ask(stale, conversation.id, "two", on_busy=QUEUE)
        engine = await open_engine(ScriptedModel([Say("alive")]), sweep_seconds=0.1)
        assert (await answered(engine, first)).turn.state is TurnState.INTERRUPTED
        detail = await answered(engine, second)
        assert detail.reply is not None
        assert (detail.turn.state, detail.reply.content) == (TurnState.COMPLETED, "alive")


class TestInterrupt:
    async def test_the_running_one_keeps_what_it_said_and_the_new_one_runs(self, open_engine: OpenEngine) -> None:
        model = ToldModel()
        engine = await open_engine(model)
        conversation = await begin(engine)
        first = await ask(engine, conversation.id, "tell me a story")
        watcher = Watcher(engine, first)
        model.say("Once ")
        await watcher.has_seen("Once ")
        second = await ask(engine, conversation.id, "a short one", on_busy=INTERRUPT)
        model.say("The end.")
        model.finish()
        detail, ended = await answered(engine, second), (await watcher.end()).detail
        assert (ended.turn.state, detail.turn.state) == (TurnState.INTERRUPTED, TurnState.COMPLETED)
        assert ended.reply is not None
        assert ended.reply.status is MessageStatus.PARTIAL
        assert await contents(engine, conversation.id) == ["tell me a story", "Once ", "a short one", "The end."]

    async def test_also_when_it_runs_in_another_process(self, open_engine: OpenEngine) -> None:
        model = ToldModel()
        one, two = await open_engine(model), await open_engine(ScriptedModel([Say("mine")]))
        conversation = await begin(one)
        first = await ask(one, conversation.id)
        detail = await answered(two, await ask(two, conversation.id, on_busy=INTERRUPT))
        assert detail.turn.state is TurnState.COMPLETED
        assert (await answered(one, first)).turn.state is TurnState.INTERRUPTED
        assert model.closed == 1


class TestCancelElsewhere:
    async def test_any_process_can_stop_it_and_the_beginning_is_kept(self, open_engine: OpenEngine) -> None:
        model = ToldModel()
        one, two = await open_engine(model), await open_engine()
        turn = await ask(one, (await begin(one)).id)
        watcher = Watcher(one, turn)
        model.say("so far")
        await watcher.has_seen("so far")
        detail = await two.turns.cancel(turn.conversation_id, turn.id, owner_id=ADA)
        assert detail.reply is not None
        assert (detail.turn.state, detail.reply.content) == (TurnState.CANCELLED, "so far")
        assert model.closed == 1
        assert await two.turns.cancel(turn.conversation_id, turn.id, owner_id=ADA) == detail
        assert await rows(two, "SELECT id FROM turns WHERE state = 'running'") == []
