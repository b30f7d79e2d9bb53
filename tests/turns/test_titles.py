"""Titles that nobody has given: with the reply or in the background, and never instead of a person's."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal

import pytest

from conversation_engine.domains.llm.errors import (
    BadModelRequestError,
    BadModelSettingError,
    ModelError,
    OverloadedError,
)
from conversation_engine.domains.llm.settings import PriceSetting
from conversation_engine.domains.llm.types import TokenUsage
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.engine.settings import Settings
from conversation_engine.kernel.ids import ConversationId
from conversation_engine.testing import Fail, FakeClock, Say, ScriptedModel
from conversation_engine.turns.titles import as_title
from tests.conftest import OpenEngine, until
from tests.turns.scenes import ADA, ToldModel, Watcher, answered, ask, begin, count, rows
from tests.turns.test_repo import WITHOUT_CHORES
from tests.turns.test_spending import bound, check_books

BY_A_MODEL = {"titles": "scripted/namer", "retry_count": 0}
QUESTION = "What is a shield volcano?"
BY_RULES = "Shield volcano"


async def title_of(engine: ConversationEngine, conversation_id: ConversationId) -> str | None:
    await engine.jobs.drain(seconds=20)
    return (await engine.conversations.get(conversation_id, owner_id=ADA)).title


async def asked(engine: ConversationEngine, question: str = QUESTION) -> ConversationId:
    """A conversation with one turn, named by then or with a job to name it."""
    conversation = await begin(engine)
    await answered(engine, await ask(engine, conversation.id, question))
    async with asyncio.timeout(10):
        while not await count(engine, "jobs"):
            stored = await engine.conversations.get(conversation.id, owner_id=ADA)
            if stored.title is not None:
                break
            await asyncio.sleep(0.005)
    return conversation.id


def naming(*answers: str | ModelError) -> ScriptedModel:
    """A model that replies once and then gives these titles."""
    model = ScriptedModel(usage=TokenUsage(input_tokens=50, cached_tokens=0, output_tokens=7))
    model.then(Say("A broad one."))
    for answer in answers:
        model.then(Fail(answer) if isinstance(answer, ModelError) else Say(answer))
    return model


class TestAnswers:
    @pytest.mark.parametrize(
        ("answer", "title"),
        [
            ("Shield volcanoes", "Shield volcanoes"),
            ('"Shield volcanoes."', "Shield volcanoes"),
            ("\n\n  Shield \t volcanoes\nI hope you like it.", "Shield volcanoes"),
            ("Here is a title:\n\n**Title: Shield volcanoes**\nI hope you like it.", "Shield volcanoes"),
            ("盾状火山", "盾状火山"),
            ("", None),
            ("\n \n", None),
            ("...", None),
            ("Title:", None),
            ("A shield volcano is a broad volcano, built by many flows of runny lava. " * 3, None),
        ],
    )
    def test_what_is_a_title_and_what_is_none(self, answer: str, title: str | None) -> None:
        assert as_title(answer) == title


class TestByRules:
    async def test_the_first_question_names_it_when_it_is_answered(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel())
        conversation_id = await asked(engine)
        assert await title_of(engine, conversation_id) == BY_RULES
        await answered(engine, await ask(engine, conversation_id, "Tell me about bebop."))
        assert await title_of(engine, conversation_id) == BY_RULES

    async def test_a_title_that_a_person_gave_stays(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel())
        conversation = await begin(engine, title="Mine")
        await answered(engine, await ask(engine, conversation.id, QUESTION))
        assert await title_of(engine, conversation.id) == "Mine"

    async def test_also_one_that_they_give_while_the_first_reply_is_written(self, open_engine: OpenEngine) -> None:
        model = ToldModel()
        engine = await open_engine(model)
        conversation = await begin(engine)
        turn = await ask(engine, conversation.id, QUESTION)
        watcher = Watcher(engine, turn)
        model.say("A broad one.")
        await watcher.has_seen("A broad one.")
        await engine.conversations.rename(conversation.id, "Mine", owner_id=ADA)
        model.finish()
        await watcher.end()
        assert await title_of(engine, conversation.id) == "Mine"

    async def test_none_is_given_where_nobody_wants_one(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel(), titles="off")
        conversation = await begin(engine)
        await answered(engine, await ask(engine, conversation.id, QUESTION))
        assert await title_of(engine, conversation.id) is None


class TestByAModel:
    async def test_it_names_it_in_the_background_and_what_it_cost_is_on_record(self, open_engine: OpenEngine) -> None:
        model = naming("Shield volcanoes")
        engine = await open_engine(model, **BY_A_MODEL)
        conversation_id = await asked(engine)
        assert await title_of(engine, conversation_id) == "Shield volcanoes"
        assert QUESTION in model.requests[1].messages[-1].content
        stored = await engine.conversations.get(conversation_id, owner_id=ADA)
        assert (stored.input_tokens, stored.message_count) == (100, 2)
        assert len(await rows(engine, "SELECT * FROM llm_requests WHERE model = 'namer'")) == 1

    async def test_it_is_asked_once(self, open_engine: OpenEngine) -> None:
        model = naming("Shield volcanoes", "Indeed.")
        engine = await open_engine(model, **BY_A_MODEL)
        conversation_id = await asked(engine)
        await title_of(engine, conversation_id)
        await answered(engine, await ask(engine, conversation_id, "And cinder cones?"))
        assert await title_of(engine, conversation_id) == "Shield volcanoes"
        assert len(model.requests) == 3

    @pytest.mark.parametrize("answer", ["...", BadModelRequestError("no")])
    async def test_what_is_no_title_is_replaced_by_the_rules(
        self, open_engine: OpenEngine, answer: str | ModelError
    ) -> None:
        engine = await open_engine(naming(answer), **BY_A_MODEL)
        assert await title_of(engine, await asked(engine)) == BY_RULES

    async def test_one_that_is_away_is_asked_again_later(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(naming(OverloadedError("busy"), "Shield volcanoes"), **BY_A_MODEL)
        assert await title_of(engine, await asked(engine)) == "Shield volcanoes"
        assert await count(engine, "jobs") == 0

    async def test_what_a_person_names_meanwhile_stays(self, open_engine: OpenEngine) -> None:
        model = naming("Shield volcanoes")
        away = await open_engine(model, **BY_A_MODEL, jobs_at_once=0)
        conversation_id = await asked(away)
        await away.conversations.rename(conversation_id, "Mine", owner_id=ADA)
        heir = await open_engine(model, **BY_A_MODEL)
        assert await title_of(heir, conversation_id) == "Mine"
        assert len(model.requests) == 1

    async def test_also_while_the_model_thinks(self, open_engine: OpenEngine) -> None:
        model = ToldModel()
        engine = await open_engine(model, titles="conversation")
        conversation = await begin(engine)
        model.say("A broad one.")
        model.finish()
        await answered(engine, await ask(engine, conversation.id, QUESTION))
        async with asyncio.timeout(10):
            while model.calls < 2:
                await asyncio.sleep(0.005)
        await engine.conversations.rename(conversation.id, "Mine", owner_id=ADA)
        model.say("Shield volcanoes")
        model.finish()
        assert await title_of(engine, conversation.id) == "Mine"

    async def test_a_process_that_left_leaves_it_to_the_next(self, open_engine: OpenEngine) -> None:
        model = naming("Shield volcanoes")
        away = await open_engine(model, **BY_A_MODEL, jobs_at_once=0)
        conversation_id = await asked(away)
        assert await title_of(await open_engine(model, **BY_A_MODEL), conversation_id) == "Shield volcanoes"

    async def test_a_conversation_that_is_deleted_needs_none(self, open_engine: OpenEngine) -> None:
        model = naming("Shield volcanoes")
        away = await open_engine(model, **BY_A_MODEL, jobs_at_once=0)
        await away.conversations.delete(await asked(away), owner_id=ADA)
        heir = await open_engine(model, **BY_A_MODEL)
        await heir.jobs.drain(seconds=20)
        assert (len(model.requests), await count(heir, "jobs")) == (1, 0)

    async def test_one_that_nobody_has_is_refused_at_the_start(self, open_engine: OpenEngine) -> None:
        with pytest.raises(BadModelSettingError):
            await open_engine(ScriptedModel(), titles="nobody/nothing")


DEAR = {
    "scripted/test": PriceSetting(input=Decimal(0), output=Decimal(0)),
    "scripted/*": PriceSetting(input=Decimal(1000), output=Decimal(1000)),
}
"""Replies are free, all else is dear."""


class TestWhatItCosts:
    async def test_is_paid_from_the_budgets_of_the_owner(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(naming("Shield volcanoes"), **BY_A_MODEL)
        await bound(engine, tokens=100_000)
        assert await title_of(engine, await asked(engine)) == "Shield volcanoes"
        spent, _ = await check_books(engine)
        [account] = await rows(engine, "SELECT * FROM budget_accounts")
        assert account["spent_tokens"] == spent == 2 * 57

    async def test_is_not_spent_where_no_budget_covers_it(self, open_engine: OpenEngine) -> None:
        model = naming("Shield volcanoes")
        engine = await open_engine(model, **BY_A_MODEL, model_prices=DEAR)
        await bound(engine, dollars="0.01")
        assert await title_of(engine, await asked(engine)) == BY_RULES
        assert len(model.requests) == 1
        await check_books(engine)

    async def test_stays_on_record_of_a_conversation_that_is_deleted_meanwhile(self, open_engine: OpenEngine) -> None:
        model = ToldModel()
        engine = await open_engine(model, titles="conversation")
        await bound(engine, tokens=100_000)
        conversation = await begin(engine)
        model.say("A broad one.")
        model.finish()
        await answered(engine, await ask(engine, conversation.id, QUESTION))
        async with asyncio.timeout(10):
            while model.calls < 2:
                await asyncio.sleep(0.005)
        await engine.conversations.delete(conversation.id, owner_id=ADA)
        model.say("Shield volcanoes")
        model.finish()
        await engine.jobs.drain(seconds=20)
        calls = await rows(engine, "SELECT input_tokens, parameters FROM llm_requests ORDER BY id")
        assert calls[1]["input_tokens"] > 0
        assert calls[1]["parameters"] in ({}, "{}")
        spent, _ = await check_books(engine)
        [account] = await rows(engine, "SELECT * FROM budget_accounts")
        assert account["spent_tokens"] == spent

    async def test_of_a_process_that_is_stopped_in_it_is_on_record_and_no_half_title_is_kept(
        self, open_engine: OpenEngine
    ) -> None:
        model = ToldModel()
        leaving = await open_engine(model, titles="conversation")
        await bound(leaving, tokens=100_000)
        conversation = await begin(leaving)
        model.say("A broad one.")
        model.finish()
        await answered(leaving, await ask(leaving, conversation.id, QUESTION))
        model.say("Shie")
        async with asyncio.timeout(10):
            while model.calls < 2 or model.has_unsaid:
                await asyncio.sleep(0.005)
        await leaving.jobs.aclose()
        heir = await open_engine(ScriptedModel(), titles="conversation", jobs_at_once=0)
        assert (await heir.conversations.get(conversation.id, owner_id=ADA)).title is None
        assert await count(heir, "jobs") == 1
        await check_books(heir)
        statuses = await rows(heir, "SELECT status FROM llm_requests ORDER BY id")
        assert statuses[1]["status"] == "cancelled"


UNSETTLED = "ledger WHERE settled_at IS NULL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Title:
    """A process in the middle of one, paid by a budget, and another beside it; their chores stand still."""

    engine: ConversationEngine
    other: ConversationEngine
    clock: FakeClock
    model: ToldModel
    lease_seconds: float


@pytest.fixture
async def unfinished(settings: Settings) -> AsyncIterator[Title]:
    model, clock = ToldModel(), FakeClock()
    changed = settings.model_copy(update={**WITHOUT_CHORES, "titles": "conversation", "lease_seconds": 30.0})
    idle = changed.model_copy(update={"jobs_at_once": 0})
    async with ConversationEngine(changed, providers={"scripted": model}, clock=clock) as engine:
        await bound(engine, tokens=100_000)
        conversation = await begin(engine)
        model.say("A broad one.")
        model.finish()
        await answered(engine, await ask(engine, conversation.id, QUESTION))
        await until(lambda: model.calls == 2)
        async with ConversationEngine(idle, providers={"scripted": ScriptedModel()}, clock=clock) as other:
            yield Title(engine=engine, other=other, clock=clock, model=model, lease_seconds=changed.lease_seconds)


class TestWhatWasPromised:
    async def test_by_a_process_that_died_is_released_when_its_lease_has_run_out(self, unfinished: Title) -> None:
        other, clock = unfinished.other, unfinished.clock
        clock.advance(seconds=unfinished.lease_seconds - 1)
        await other.turns._runner._sweep()
        assert await count(other, UNSETTLED) == 1
        clock.advance(seconds=2)
        await other.turns._runner._sweep()
        assert await count(other, UNSETTLED) == 0
        await check_books(other)

    async def test_by_one_that_gives_signs_of_life_is_held(self, unfinished: Title) -> None:
        for _ in range(3):
            unfinished.clock.advance(seconds=unfinished.lease_seconds - 1)
            await unfinished.engine.turns._runner._extend()
        await unfinished.other.turns._runner._sweep()
        assert await count(unfinished.other, UNSETTLED) == 1

    async def test_and_released_too_early_is_charged_all_the_same(self, unfinished: Title) -> None:
        engine, other, model = unfinished.engine, unfinished.other, unfinished.model
        unfinished.clock.advance(seconds=unfinished.lease_seconds + 1)
        await other.turns._runner._sweep()
        assert await count(other, UNSETTLED) == 0
        model.say("Shield volcanoes")
        model.finish()
        await engine.jobs.drain(seconds=20)
        spent, _ = await check_books(engine)
        [account] = await rows(engine, "SELECT * FROM budget_accounts")
        [calls] = await rows(engine, "SELECT sum(input_tokens + output_tokens) AS tokens FROM llm_requests")
        assert account["spent_tokens"] == spent == calls["tokens"]


@pytest.mark.local_model
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # what it says is the same on the other
class TestWithTheSmallModel:
    async def test_a_title_is_produced_and_bounded(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(titles="conversation", reply_limit_tokens=24)
        conversation = await begin(engine, model="local", system_prompt="Answer in one short sentence.")
        async with asyncio.timeout(90):
            await engine.turns.wait(await ask(engine, conversation.id, QUESTION))
        await asyncio.sleep(0.05)
        title = await title_of(engine, conversation.id)
        print("title by the small model:", title)
        assert title is not None
        assert 0 < len(title) <= 60
        assert len(await rows(engine, "SELECT * FROM llm_requests")) >= 2
