"""Calls of an embedding service: promised to budgets before, on record and paid after, whatever becomes of them."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from conversation_engine.domains.limits.errors import OverBudgetError
from conversation_engine.domains.limits.types import BudgetKey, BudgetPeriod, BudgetScope, Cap
from conversation_engine.domains.llm.errors import ModelRateLimitedError
from conversation_engine.domains.llm.settings import PriceSetting
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.kernel.ids import UserId
from conversation_engine.kernel.people import Principal, Role
from tests.conftest import OpenEngine
from tests.llm.stub import SILENCE, StubService, running_stub
from tests.llm.test_embeddings import answer
from tests.turns.scenes import rows
from tests.turns.test_spending import check_books

ADA = UserId("ada")
VECTOR = {"data": [{"index": 0, "embedding": [3, 4]}]}
CALLS = "SELECT owner_id, model, status, input_tokens, usage_source, cost, error_code FROM llm_requests ORDER BY id"


async def opened(open_engine: OpenEngine, stub: StubService) -> ConversationEngine:
    price = {"openai/small": PriceSetting(input=Decimal(2), output=Decimal(0))}
    return await open_engine(embedding_model="openai/small", embedding_base_url=stub.base_url, model_prices=price)


async def bound(engine: ConversationEngine, tokens: int) -> None:
    key = BudgetKey(scope=BudgetScope.USER, subject=ADA, period=BudgetPeriod.DAY)
    await engine.budgets.put(Principal(user_id=UserId("root"), role=Role.ADMIN), key, Cap(dollars=None, tokens=tokens))


async def recorded(engine: ConversationEngine) -> list[Any]:
    return [tuple(row.values()) for row in await rows(engine, CALLS)]


async def test_what_the_service_counted_is_on_record_and_paid(open_engine: OpenEngine) -> None:
    async with running_stub() as stub:
        engine = await opened(open_engine, stub)
        await bound(engine, 1000)
        stub.plan = [answer({**VECTOR, "usage": {"prompt_tokens": 7, "total_tokens": 7}})]
        for _ in range(2):
            await engine.embeddings.query("boats", owner_id=ADA)  # the second time it is known
        assert await recorded(engine) == [(ADA, "small", "completed", 7, "provider", 14_000_000, None)]
        [account] = await rows(engine, "SELECT spent_tokens, reserved_tokens FROM budget_accounts")
        assert tuple(account.values()) == (7, 0)
        await check_books(engine)


async def test_without_a_count_ours_is_taken(open_engine: OpenEngine) -> None:
    async with running_stub() as stub:
        engine = await opened(open_engine, stub)
        stub.plan = [answer(VECTOR)]
        await engine.embeddings.query("boats in the harbour", owner_id=ADA)
        assert await recorded(engine) == [(ADA, "small", "completed", 4, "estimated", 8_000_000, None)]


async def test_nobody_is_asked_where_no_budget_covers_it(open_engine: OpenEngine) -> None:
    async with running_stub() as stub:
        engine = await opened(open_engine, stub)
        await bound(engine, 3)
        with pytest.raises(OverBudgetError):
            await engine.embeddings.query("boats in the harbour", owner_id=ADA)
        assert (stub.requests, await recorded(engine)) == ([], [])


async def test_a_call_that_fails_is_on_record_and_costs_nothing(open_engine: OpenEngine) -> None:
    async with running_stub() as stub:
        engine = await opened(open_engine, stub)
        await bound(engine, 1000)
        stub.plan = [answer({"error": {"code": "rate_limit_exceeded"}}, status="429 Too Many Requests")]
        with pytest.raises(ModelRateLimitedError):
            await engine.embeddings.query("boats", owner_id=ADA)
        [call] = await recorded(engine)
        assert call == (ADA, "small", "failed", None, None, None, ModelRateLimitedError.code)
        await check_books(engine)


async def test_a_call_that_is_left_is_charged_for_its_texts(open_engine: OpenEngine) -> None:
    async with running_stub() as stub:
        engine = await opened(open_engine, stub)
        await bound(engine, 1000)
        stub.plan = [SILENCE]
        asking = asyncio.create_task(engine.embeddings.query("boats in the harbour", owner_id=ADA))
        while not stub.requests:
            await asyncio.sleep(0.01)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        [call] = await recorded(engine)
        assert call[2:5] == ("cancelled", 4, "estimated")
        await check_books(engine)
