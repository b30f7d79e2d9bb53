"""Model calls beside replies whose process dies, or is thought dead: on record, in the totals and paid, once."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from decimal import Decimal

import pytest

from conversation_engine.domains.limits.types import BudgetScope
from conversation_engine.domains.llm.errors import ProcessLostError
from conversation_engine.domains.llm.settings import PriceSetting
from conversation_engine.domains.llm.types import LLMMessage, ModelEvent, ModelRequest, TokenUsage
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.engine.settings import Settings
from conversation_engine.kernel.ids import ConversationId
from conversation_engine.kernel.people import Principal, Role
from conversation_engine.testing import FakeClock, ScriptedModel
from conversation_engine.turns.passing.service import HELD_SECONDS
from conversation_engine.turns.passing.types import Prompt
from tests.conftest import OpenEngine, until
from tests.durability.test_machine import kill
from tests.insights.test_sums import check_sums
from tests.llm.stub import SILENCE, running_stub
from tests.turns.conftest import OpenStale
from tests.turns.scenes import ADA, ToldModel, answered, ask, begin, count, rows
from tests.turns.test_repo import WITHOUT_CHORES
from tests.turns.test_spending import accounts, bound, check_books
from tests.turns.test_summarizing import SMALL, Secretary

PRICES = {"scripted/test": PriceSetting(input=Decimal(1), output=Decimal(2))}
ALONE = {**WITHOUT_CHORES, "titles": "conversation", "model_prices": PRICES}
LOST = "SELECT * FROM llm_requests WHERE error_code = 'model_process_lost'"


async def asked(engine: ConversationEngine, model: ToldModel) -> ConversationId:
    """A conversation with one turn, for which a title is being asked."""
    conversation = await begin(engine)
    model.say("A broad one.")
    model.finish()
    await answered(engine, await ask(engine, conversation.id, "What is a shield volcano?"))
    await until(lambda: model.calls == 2)
    return conversation.id


async def check(engine: ConversationEngine) -> None:
    """Totals, reports, ledger and account are the sum of the calls, and nothing is open."""
    assert await count(engine, "begun_calls") == 0
    tokens, picodollars = await check_books(engine)
    for account in await accounts(engine):
        assert (account["spent_tokens"], account["spent_dollars"]) == (tokens, picodollars)
    await check_sums(engine)


class TestOfADeadProcess:
    @pytest.mark.parametrize("is_bounded", [True, False])
    async def test_it_is_on_record_as_far_as_anybody_can_tell(
        self, open_stale: OpenStale, open_engine: OpenEngine, is_bounded: bool
    ) -> None:
        model = ToldModel()
        dying = await open_stale(model, **ALONE)
        if is_bounded:
            await bound(dying, BudgetScope.GLOBAL, tokens=100_000, dollars="1")
        conversation_id = await asked(dying, model)
        await kill(dying)
        engine = await open_engine(ScriptedModel(), **ALONE, jobs_at_once=0)
        for _ in range(2):
            await engine.turns._runner._sweep()
        [call] = await rows(engine, LOST)
        assert (call["status"], call["error_code"]) == ("failed", ProcessLostError.code)
        assert (call["usage_source"], call["output_tokens"], call["turn_id"] is None) == ("estimated", 0, False)
        assert call["input_tokens"] > 20
        assert call["cost"] == call["input_tokens"] * 1_000_000
        conversation = await engine.conversations.get(conversation_id, owner_id=ADA)
        assert conversation.input_tokens > call["input_tokens"]
        await check(engine)

    async def test_many_who_find_it_record_it_once(self, open_stale: OpenStale, open_engine: OpenEngine) -> None:
        model = ToldModel()
        dying = await open_stale(model, **ALONE)
        await bound(dying, BudgetScope.GLOBAL, tokens=100_000, dollars="1")
        await asked(dying, model)
        await kill(dying)
        engines = [await open_engine(ScriptedModel(), **ALONE, jobs_at_once=0) for _ in range(3)]
        await asyncio.gather(*(engine.turns._runner._sweep() for engine in engines))
        assert len(await rows(engines[0], LOST)) == 1
        await check(engines[0])

    async def test_its_conversation_deleted_meanwhile_it_has_cost_what_it_has_cost(
        self, open_stale: OpenStale, open_engine: OpenEngine
    ) -> None:
        model = ToldModel()
        dying = await open_stale(model, **ALONE)
        conversation_id = await asked(dying, model)
        await kill(dying)
        engine = await open_engine(ScriptedModel(), **ALONE, jobs_at_once=0)
        await engine.conversations.delete(conversation_id, owner_id=ADA)
        await engine.turns._runner._sweep()
        assert len(await rows(engine, LOST)) == 1
        await check(engine)

    async def test_and_of_an_erased_person_it_is_nobodys(self, open_stale: OpenStale, open_engine: OpenEngine) -> None:
        model = ToldModel()
        dying = await open_stale(model, **ALONE)
        await asked(dying, model)
        await kill(dying)
        engine = await open_engine(ScriptedModel(), **ALONE, jobs_at_once=0)
        await engine.records.erase(Principal(user_id=ADA, role=Role.STUDENT), ADA)
        await engine.turns._runner._sweep()
        [call] = await rows(engine, LOST)
        assert call["owner_id"] == "erased"

    async def test_a_prompt_that_nobody_keeps_is_on_record_too(self, settings: Settings) -> None:
        clock, model = FakeClock(), ToldModel()
        changed = settings.model_copy(update=ALONE)
        dying = ConversationEngine(changed, providers={"scripted": model}, clock=clock)
        await dying.start()
        await bound(dying, BudgetScope.GLOBAL, tokens=100_000, dollars="1")
        prompt = Prompt(owner_id=ADA, role=None, messages=[LLMMessage("user", "What is a shield volcano?")])
        run = await dying.dialects.passing.begin(prompt)
        await until(lambda: model.calls == 1)
        dying.dialects.passing._runs[run].cancel()
        run.generation.cancel()
        await kill(dying)
        async with ConversationEngine(changed, providers={"scripted": ScriptedModel()}, clock=clock) as engine:
            clock.advance(seconds=HELD_SECONDS - 1)
            await engine.turns._runner._sweep()
            assert await rows(engine, LOST) == []
            clock.advance(seconds=2)
            await engine.turns._runner._sweep()
            assert len(await rows(engine, LOST)) == 1
            await check(engine)

    async def test_texts_on_their_way_to_a_service_of_vectors_are_too(
        self, open_stale: OpenStale, open_engine: OpenEngine
    ) -> None:
        async with running_stub() as stub:
            stub.plan = [SILENCE]
            service = {"embedding_model": "openai/small", "embedding_base_url": stub.base_url}
            prices = {"openai/small": PriceSetting(input=Decimal(2), output=Decimal(0))}
            dying = await open_stale(ScriptedModel(), **WITHOUT_CHORES, **service, model_prices=prices)
            await bound(dying, tokens=1000)
            asking = asyncio.create_task(dying.embeddings.query("boats in the harbour", owner_id=ADA))
            await until(lambda: bool(stub.requests))
            await kill(dying)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
        engine = await open_engine(ScriptedModel(), **WITHOUT_CHORES)
        await engine.turns._runner._sweep()
        [call] = await rows(engine, LOST)
        assert (call["owner_id"], call["input_tokens"], call["usage_source"]) == (ADA, 4, "estimated")
        assert call["cost"] == 8_000_000
        await check(engine)


class TestOfALivingOne:
    """It had given no sign of life for too long: what it says is the truth."""

    @pytest.mark.parametrize("is_bounded", [True, False])
    async def test_what_it_came_to_takes_the_place_of_the_estimate(
        self, open_stale: OpenStale, open_engine: OpenEngine, is_bounded: bool
    ) -> None:
        model = ToldModel()
        slow = await open_stale(model, **ALONE)
        if is_bounded:
            await bound(slow, BudgetScope.GLOBAL, tokens=100_000, dollars="1")
        conversation_id = await asked(slow, model)
        engine = await open_engine(ScriptedModel(), **ALONE, jobs_at_once=0)
        await engine.turns._runner._sweep()
        [lost] = await rows(engine, LOST)
        model.say("Shield volcanoes")
        model.finish()
        await slow.jobs.drain(seconds=20)
        assert await rows(engine, LOST) == []
        [call] = await rows(engine, "SELECT * FROM llm_requests WHERE id = :id", id=lost["id"])
        assert (call["status"], call["output_tokens"] > 0) == ("completed", True)
        assert (await engine.conversations.get(conversation_id, owner_id=ADA)).title == "Shield volcanoes"
        await check(engine)

    async def test_and_where_no_call_was_made_the_estimate_goes(
        self, open_stale: OpenStale, open_engine: OpenEngine
    ) -> None:
        slow = await open_stale(ToldModel(), **ALONE)
        await bound(slow, BudgetScope.GLOBAL, tokens=100_000, dollars="1")
        conversation = await begin(slow)
        call = replace(slow.llm.check_call("scripted/test", owner_id=ADA), conversation_id=conversation.id)
        assert await slow.checks._calls.begin(call, conversation) is None
        engine = await open_engine(ScriptedModel(), **ALONE, jobs_at_once=0)
        await engine.turns._runner._sweep()
        assert len(await rows(engine, LOST)) == 1
        for _ in range(2):
            await slow.checks._calls.end(conversation, [], calls_id=call.turn_id)
        assert await count(engine, "llm_requests") == 0
        await check(engine)

    async def test_one_that_gives_signs_of_life_is_not_given_up(self, settings: Settings) -> None:
        clock, model = FakeClock(), ToldModel()
        changed = settings.model_copy(update={**ALONE, "lease_seconds": 30.0})
        async with ConversationEngine(changed, providers={"scripted": model}, clock=clock) as engine:
            await asked(engine, model)
            for _ in range(3):
                clock.advance(seconds=29)
                await engine.turns._runner._extend()
            await engine.turns._runner._sweep()
            assert (await count(engine, "begun_calls"), await rows(engine, LOST)) == (1, [])


class Forgetful(Secretary):
    """Gives no minutes the first time, and thinks on and on the second."""

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        self.stops_short = request.model == "minutes" and len(self.asked) == 1
        async for event in super().stream(request):
            yield event


class TestSummaries:
    async def test_calls_before_the_lost_one_are_on_record_as_they_were(
        self, open_stale: OpenStale, open_engine: OpenEngine
    ) -> None:
        secretary = Forgetful("")
        dying = await open_stale(secretary, **{**WITHOUT_CHORES, **SMALL})
        await bound(dying, BudgetScope.GLOBAL, tokens=100_000)
        conversation = await begin(dying)
        for number in range(16):
            await answered(dying, await ask(dying, conversation.id, f"question {number} about tides and moons"))
        await until(lambda: len(secretary.asked) == 2)
        await kill(dying)
        engine = await open_engine(ScriptedModel(), **WITHOUT_CHORES, jobs_at_once=0)
        await engine.turns._runner._sweep()
        minutes = await rows(engine, "SELECT * FROM llm_requests WHERE model = 'minutes' ORDER BY attempt")
        assert [call["status"] for call in minutes] == ["completed", "failed"]
        assert [call["usage_source"] for call in minutes] == ["provider", "estimated"]
        assert [call["attempt"] for call in minutes] == [1, 2]
        assert await count(engine, "begun_calls") == 0
        tokens, _ = await check_books(engine)
        [account] = await accounts(engine)
        assert account["spent_tokens"] == tokens
        await check_sums(engine)


class TestRates:
    async def test_their_tokens_count_for_whoever_had_the_turn(self, open_engine: OpenEngine) -> None:
        """A title is asked for by nobody: the role is that of the turn it was made after."""
        model = ScriptedModel(usage=TokenUsage(input_tokens=50, cached_tokens=0, output_tokens=7))
        rules = "tokens user 900/day; tokens teacher 10000/day"
        engine = await open_engine(model, titles="conversation", rate_limits=rules)
        conversation = await begin(engine)
        await answered(engine, await ask(engine, conversation.id, "What is a tide?", role=Role.TEACHER))
        await until(lambda: len(model.requests) == 2)
        await engine.jobs.drain(seconds=20)
        [standing] = await engine.rates.look(Principal(user_id=ADA, role=Role.TEACHER))
        assert standing.standing.remaining == 10_000 - 2 * 57
        await engine.checks.check("scripted/test", Principal(user_id=ADA, role=Role.ADMIN))
        [standing] = await engine.rates.look(Principal(user_id=ADA, role=Role.ADMIN))
        assert standing.standing.remaining == 900 - 57
