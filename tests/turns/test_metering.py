"""What is noted of turns."""

from decimal import Decimal

from conversation_engine.domains.conversations.types import BusyPolicy, NewConversation
from conversation_engine.domains.llm.settings import PriceSetting
from conversation_engine.domains.llm.types import TokenUsage
from conversation_engine.testing import ScriptedModel
from conversation_engine.turns.types import NewTurn, TurnState
from tests.conftest import OpenEngine, until
from tests.turns.conftest import OpenStale
from tests.turns.scenes import ADA, ToldModel, answered, ask, begin, told_by

USAGE = TokenUsage(input_tokens=100, cached_tokens=40, output_tokens=20, cache_write_tokens=5, reasoning_tokens=3)
PRICES = {"scripted/*": PriceSetting(input=Decimal(1000), output=Decimal(1000))}


class TestTurns:
    async def test_each_is_noted_once_with_what_its_model_call_took(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel(usage=USAGE), model_prices=PRICES, fallback_replies={"tutoring": "…"})
        await answered(engine, await ask(engine, (await begin(engine)).id))
        tutoring = await engine.conversations.create(NewConversation(owner_id=ADA, type="tutoring"))
        await answered(engine, await ask(engine, tutoring.id))
        secret = await engine.conversations.create(NewConversation(owner_id=ADA, type="my divorce"))
        await answered(engine, await ask(engine, secret.id))
        told = await told_by(engine)
        assert told['convo_turns_total{outcome="completed",type="general"}'] == 1
        assert told['convo_turns_total{outcome="completed",type="tutoring"}'] == 1
        assert told['convo_turns_total{outcome="completed",type="other"}'] == 1
        assert told['convo_turn_duration_seconds_count{outcome="completed"}'] == 3
        assert told["convo_turn_first_token_seconds_count"] == 3
        model = 'model="scripted/test"'
        assert told[f'convo_model_calls_total{{{model},status="completed"}}'] == 3
        kinds = {"input": 300, "cached": 120, "cache_write": 15, "output": 60, "reasoning": 9}
        for kind, tokens in kinds.items():
            assert told[f'convo_model_tokens_total{{kind="{kind}",{model}}}'] == tokens
        assert round(told[f"convo_model_cost_dollars_total{{{model}}}"], 9) == 0.36
        assert told[f"convo_model_first_token_seconds_count{{{model}}}"] == 3
        assert not any("divorce" in name for name in told)

    async def test_those_that_run_and_wait_are_read_when_somebody_asks(self, open_engine: OpenEngine) -> None:
        model = ToldModel()
        engine = await open_engine(model)
        conversation = await begin(engine)
        running = await ask(engine, conversation.id)
        new = NewTurn(conversation_id=conversation.id, owner_id=ADA, content="and", on_busy=BusyPolicy.QUEUE)
        waiting = await engine.turns.submit(new)
        await until(lambda: model.calls == 1)
        told = await told_by(engine)
        assert told["convo_active_turns"] == told['convo_turns_stored{state="running"}'] == 1
        assert told['convo_turns_stored{state="queued"}'] == 1
        assert told['convo_provider_calls_running{provider="scripted"}'] == 1
        assert told["convo_store_up"] == 1
        assert told["convo_database_connections_limit"] >= 5
        await engine.turns.cancel(conversation.id, waiting.id, owner_id=ADA)
        await engine.turns.cancel(conversation.id, running.id, owner_id=ADA)
        await until(lambda: not engine.turns.running_count)
        told = await told_by(engine)
        assert told['convo_turns_total{outcome="cancelled",type="general"}'] == 1
        assert told['convo_turns_total{outcome="cancelled",type="other"}'] == 1
        assert not {"convo_active_turns", 'convo_turns_stored{state="running"}'} & told.keys()

    async def test_of_a_dead_process_they_are_counted_where_they_end(
        self, open_stale: OpenStale, open_engine: OpenEngine
    ) -> None:
        stale = await open_stale(ToldModel())
        turn = await ask(stale, (await begin(stale)).id)
        engine = await open_engine()
        assert (await answered(engine, turn)).turn.state is TurnState.INTERRUPTED
        await until(lambda: not engine.turns.running_count)
        told = await told_by(engine)
        assert told['convo_lease_recoveries_total{how="ended"}'] == 1
        assert told['convo_turns_total{outcome="interrupted",type="other"}'] == 1
        assert told['convo_turn_failures_total{code="turn_interrupted"}'] == 1
