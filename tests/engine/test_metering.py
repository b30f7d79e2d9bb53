"""What an engine tells of itself."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from conversation_engine.domains.conversations.types import NewConversation
from conversation_engine.domains.limits.errors import OverBudgetError, RateLimitedError
from conversation_engine.domains.limits.rates import RateClass
from conversation_engine.domains.limits.types import BudgetScope
from conversation_engine.domains.llm.errors import AuthenticationError, OverloadedError
from conversation_engine.domains.llm.types import TokenUsage
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.engine.settings import Settings
from conversation_engine.infra.jobs.types import Job, NewJob
from conversation_engine.kernel.errors import InternalError
from conversation_engine.kernel.people import Principal, Role
from conversation_engine.testing import Fail, Say, ScriptedModel, WordEmbedder
from tests.conftest import OpenEngine, settings_over
from tests.retrieval.scenes import ADA as READER
from tests.retrieval.scenes import add
from tests.turns.scenes import ADA, answered, ask, begin, told_by
from tests.turns.test_retrieval import HARBOUR, asked, begun
from tests.turns.test_spending import bound

SOON: Mapping[str, Any] = {"retry_base_seconds": 0.001, "retry_longest_seconds": 0.002}


@pytest.fixture
def quick_settings(sqlite_template: Path, tmp_path: Path) -> Settings:
    """Where no row matters: one kind of database will do."""
    shutil.copy(sqlite_template, tmp_path / "quick.db")
    return settings_over(f"sqlite:///{tmp_path / 'quick.db'}", tmp_path)


class TestModels:
    async def test_retries_fallbacks_and_circuits(self, quick_settings: Settings) -> None:
        again = {"retry_count": 1, "circuit_faults": 3, "fallback_models": ["other/spare"], **SOON}
        busy = ScriptedModel(*[[Fail(OverloadedError("why"))]] * 4)
        providers = {"scripted": busy, "other": ScriptedModel()}
        settings = quick_settings.model_copy(update=again)
        async with ConversationEngine(settings, providers=providers) as engine:
            for _ in range(3):
                await answered(engine, await ask(engine, (await begin(engine)).id))
            told = await told_by(engine)
            assert engine.helpers_standing() == {"model": False}
        assert told['convo_model_calls_total{model="scripted/test",status="failed"}'] == 3
        assert told['convo_model_failures_total{code="model_overloaded",model="scripted/test"}'] == 3
        assert told['convo_model_retries_total{model="scripted/test"}'] == 1
        assert told['convo_model_fallbacks_total{model="other/spare"}'] == 3
        assert told['convo_model_calls_total{model="other/spare",status="completed"}'] == 3
        assert told['convo_circuit_open{model="scripted/test"}'] == 1
        assert told['convo_model_refusals_total{model="scripted/test",reason="circuit_open"}'] == 2
        assert 'convo_circuit_open{model="other/spare"}' not in told

    async def test_a_model_that_nobody_listed_is_another_one(self, quick_settings: Settings) -> None:
        wrong = ScriptedModel([Fail(AuthenticationError("why"))])
        async with ConversationEngine(quick_settings, providers={"scripted": wrong}) as engine:
            new = NewConversation(owner_id=ADA, model="scripted/Ada's phone number is 555")
            await answered(engine, await ask(engine, (await engine.conversations.create(new)).id))
            told = await told_by(engine)
        assert told['convo_model_calls_total{model="other",status="failed"}'] == 1
        assert told['convo_turns_total{outcome="failed",type="general"}'] == 1
        assert not any("555" in name for name in told)


class TestLimits:
    async def test_alerts_and_refusals_of_budgets(self, quick_settings: Settings) -> None:
        usage = TokenUsage(input_tokens=20, cached_tokens=0, output_tokens=10)
        settings = quick_settings.model_copy(update={"reply_limit_tokens": 20, "job_poll_seconds": 0.05})
        async with ConversationEngine(settings, providers={"scripted": ScriptedModel(usage=usage)}) as engine:
            await bound(engine, BudgetScope.USER, tokens=100)
            refused = 0
            for _ in range(4):
                try:
                    await answered(engine, await ask(engine, (await begin(engine)).id))
                except OverBudgetError:
                    refused += 1
            await engine.jobs.drain(seconds=20)
            told = await told_by(engine)
        assert refused > 0
        assert told['convo_budget_refusals_total{period="day",scope="user"}'] == refused
        assert told['convo_budget_alerts_total{percent="50",period="day",scope="user"}'] == 1
        assert told['convo_jobs_total{kind="outbox",result="done"}'] >= 1

    async def test_refusals_of_rates_by_rule(self, quick_settings: Settings) -> None:
        rules = {"rate_limits": "messages user 1/minute; messages everybody 50/hour"}
        ada = Principal(user_id=ADA, role=Role.STUDENT)
        async with ConversationEngine(
            quick_settings.model_copy(update=rules), providers={"scripted": ScriptedModel()}
        ) as engine:
            await engine.rates.take(ada, RateClass.MESSAGES)
            for _ in range(2):
                with pytest.raises(RateLimitedError):
                    await engine.rates.take(ada, RateClass.MESSAGES)
            told = await told_by(engine)
        assert told['convo_rate_limit_refusals_total{policy="messages-user"}'] == 2
        assert 'convo_rate_limit_refusals_total{policy="messages-everybody"}' not in told


class TestDocuments:
    async def test_searches_their_cache_and_what_replies_make_of_them(self, quick_settings: Settings) -> None:
        model = ScriptedModel([Say("From dawn [1].")], [Say("From dawn [7].")], [Say("From dawn.")])
        embedder = WordEmbedder(dimensions=256)
        async with ConversationEngine(quick_settings, providers={"scripted": model}, embedder=embedder) as engine:
            await add(engine, HARBOUR)
            for _ in range(3):
                await asked(engine, await begun(engine), "harbour of Kiel open")
            await asked(engine, await begun(engine), "zeugma", is_strict=True)
            told = await told_by(engine)
        assert told['convo_searches_total{result="relevant",strategy="rrf_fusion"}'] == 3
        assert told['convo_cache_lookups_total{cache="query_embedding",result="hit"}'] == 2
        assert told['convo_cache_lookups_total{cache="query_embedding",result="miss"}'] == 2
        assert told["convo_search_best_cosine_count"] == 4
        assert told['convo_search_step_duration_seconds_count{step="search"}'] == 4
        for result in ("cited", "invented", "uncited", "absent"):
            assert told[f'convo_retrieval_replies_total{{result="{result}"}}'] == 1
        assert READER.user_id not in str(told)


class Hopeless:
    """Work that fails."""

    async def __call__(self, job: Job) -> None:
        raise InternalError

    async def give_up(self, job: Job, error_code: str) -> None:
        return None


class TestBackgroundWork:
    async def test_what_waits_and_what_died(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(jobs_at_once=0)
        engine.jobs.register("outbox", Hopeless(), most_attempts=1)

        def enqueue(key: str) -> Any:
            return lambda tx: engine.jobs.enqueue(tx, NewJob(kind="outbox", key=key, payload={}))

        await engine.database.write(enqueue("one"))
        assert (await told_by(engine))['convo_jobs_stored{kind="outbox",state="waiting"}'] == 1
        worker = await open_engine(job_poll_seconds=0.05)
        worker.jobs.register("outbox", Hopeless(), most_attempts=1)
        await worker.jobs.drain(seconds=10)
        told = await told_by(worker)
        assert told['convo_jobs_stored{kind="outbox",state="dead"}'] == 1
        assert told['convo_jobs_total{kind="outbox",result="died"}'] == 1


class TestThePage:
    async def test_it_comes_when_the_database_does_not(self, quick_settings: Settings) -> None:
        engine = ConversationEngine(quick_settings, providers={"scripted": ScriptedModel()})
        await engine.database.aclose()
        page = (await engine.meter.page()).decode()
        assert "\nconvo_store_up 0.0\n" in page
        assert "convo_turns_stored" not in page
        assert "convo_turns_total" in page
