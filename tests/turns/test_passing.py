"""Prompts that are answered and not kept: on both databases, for their books are."""

import asyncio

import pytest

from conversation_engine.domains.limits.errors import OverBudgetError
from conversation_engine.domains.limits.types import BudgetKey, BudgetPeriod, BudgetScope, Cap
from conversation_engine.domains.llm.errors import ContextTooLongError
from conversation_engine.domains.llm.types import AttemptStatus, LLMMessage, TokenUsage
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.kernel.ids import UserId
from conversation_engine.kernel.people import Principal, Role
from conversation_engine.testing import Pause, Say, ScriptedModel
from conversation_engine.turns.errors import ShuttingDownError
from conversation_engine.turns.passing.types import Prompt
from conversation_engine.turns.types import TurnState
from tests.conftest import OpenEngine, until

ROOT = Principal(user_id=UserId("root"), role=Role.ADMIN)


def prompt(text: str = "Hello") -> Prompt:
    return Prompt(owner_id=UserId("ada"), role=Role.STUDENT, messages=[LLMMessage("user", text)])


async def left(engine: ConversationEngine) -> tuple[int | None, int]:
    """Tokens that Ada may still use, and those that are promised."""
    [standing] = await engine.budgets.look(UserId("ada"), Role.STUDENT)
    return standing.left.tokens, standing.balance.reserved.tokens


class TestBooks:
    async def test_a_budget_is_reserved_and_settled(self, open_engine: OpenEngine) -> None:
        used = TokenUsage(input_tokens=30, cached_tokens=0, output_tokens=10)
        engine = await open_engine(ScriptedModel([Say("Well, "), Pause(0.05), Say("well.")], usage=used))
        key = BudgetKey(scope=BudgetScope.USER, subject="ada", period=BudgetPeriod.TOTAL)
        await engine.budgets.put(ROOT, key, Cap(tokens=2000))
        run = await engine.dialects.passing.begin(prompt())
        assert (await left(engine))[1] > 1000
        detail = await engine.dialects.passing.wait(run)
        assert detail.turn.state is TurnState.COMPLETED
        assert await left(engine) == (1960, 0)
        with pytest.raises(OverBudgetError):
            await engine.dialects.passing.begin(prompt("word " * 2000))
        assert await left(engine) == (1960, 0)

    async def test_a_call_that_is_given_up_is_on_record(self, open_engine: OpenEngine) -> None:
        model = ScriptedModel([Say("Once "), Pause(30)])
        engine = await open_engine(model)
        run = await engine.dialects.passing.begin(prompt())
        waiting = asyncio.create_task(engine.dialects.passing.wait(run))
        await until(lambda: run.live.length > 0)
        waiting.cancel()
        await until(lambda: run.live.ended is not None)
        assert model.closed == 1
        assert run.live.ended
        detail = run.live.ended.detail
        assert detail.turn.state is TurnState.CANCELLED
        [attempt] = await engine.database.read(lambda tx: engine.llm.attempts_of(tx, run.turn.id))
        assert attempt.status is AttemptStatus.CANCELLED
        assert attempt.usage
        assert attempt.usage.output_tokens > 0

    async def test_what_cannot_fit_is_not_asked(self, open_engine: OpenEngine) -> None:
        model = ScriptedModel()
        engine = await open_engine(model, model_context_tokens=256)
        with pytest.raises(ContextTooLongError):
            await engine.dialects.passing.begin(prompt("word " * 400))
        assert not model.requests


class TestStopping:
    async def test_an_engine_that_stops_ends_them_and_takes_no_more(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel([Say("Once "), Pause(30)]))
        run = await engine.dialects.passing.begin(prompt())
        await until(lambda: run.live.length > 0)
        await engine.dialects.passing.aclose()
        assert run.live.ended
        with pytest.raises(ShuttingDownError):
            await engine.dialects.passing.begin(prompt())
