"""A thousand requests race for one budget from two processes, and one of these dies: nothing is overspent or lost."""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import Process
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from conversation_engine.domains.limits.types import BudgetKey, BudgetPeriod, BudgetScope, Cap
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.kernel.ids import UserId
from conversation_engine.kernel.people import Principal, Role
from tests.durability.spender import USAGE, engine_of
from tests.turns.scenes import rows
from tests.turns.test_spending import check_books

ROOT = Path(__file__).parents[2]
ADMIN = Principal(user_id=UserId("root"), role=Role.ADMIN)
REQUESTS = 500
"""From each of the two processes."""
SHORT_LEASE_SECONDS = 2.0
TOKENS_OF_A_CALL = USAGE.input_tokens + USAGE.output_tokens
CALLS_THAT_FIT = 60
CAP_TOKENS = CALLS_THAT_FIT * TOKENS_OF_A_CALL
CAP_DOLLARS = Decimal(10)


async def set_cap(url: str) -> None:
    async with engine_of(url) as engine:
        key = BudgetKey(scope=BudgetScope.GLOBAL, subject="*", period=BudgetPeriod.TOTAL)
        await engine.budgets.put(ADMIN, key, Cap(tokens=CAP_TOKENS, dollars=CAP_DOLLARS))


async def spender(url: str, requests: int, *, lease_seconds: float = 60) -> Process:
    """A process that has begun to ask."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.durability.spender",
        url,
        str(requests),
        str(lease_seconds),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout
    assert json.loads(await process.stdout.readline()) == {"asking": requests}
    return process


async def told(process: Process) -> dict[str, Any]:
    assert process.stdout
    found: dict[str, Any] = json.loads(await process.stdout.read())
    assert await process.wait() == 0
    return found


async def check(engine: ConversationEngine) -> int:
    """The promises about money; how many tokens were spent."""
    tokens, picodollars = await check_books(engine)
    [account] = await rows(engine, "SELECT * FROM budget_accounts")
    assert (account["spent_tokens"], account["spent_dollars"]) == (tokens, picodollars)
    assert tokens <= CAP_TOKENS
    return tokens


@pytest.mark.slow
@pytest.mark.timeout(300)
class TestOneCap:
    async def test_a_thousand_requests_of_two_processes_spend_no_more_than_it_has(self, database_url: str) -> None:
        await set_cap(database_url)
        processes = await asyncio.gather(*(spender(database_url, REQUESTS) for _ in range(2)))
        results = await asyncio.gather(*map(told, processes))
        answered = sum(result["answered"] for result in results)
        assert sum(result["refused"] for result in results) == 2 * REQUESTS - answered
        async with engine_of(database_url) as engine:
            assert await check(engine) == answered * TOKENS_OF_A_CALL
            [turns] = await rows(engine, "SELECT count(*) AS n FROM turns")
        assert turns["n"] == answered
        assert answered >= CALLS_THAT_FIT // 3

    async def test_a_process_that_is_killed_leaves_nothing_promised(self, database_url: str) -> None:
        await set_cap(database_url)
        async with engine_of(database_url) as engine:  # ready before they begin: they are fast
            dying, other = await asyncio.gather(
                *(spender(database_url, REQUESTS // 5, lease_seconds=SHORT_LEASE_SECONDS) for _ in range(2))
            )
            async with asyncio.timeout(60):  # until it has promised something
                while not (await rows(engine, "SELECT count(*) AS n FROM ledger WHERE settled_at IS NULL"))[0]["n"]:
                    await asyncio.sleep(0.005)
            dying.send_signal(signal.SIGKILL)
            await dying.wait()
            await told(other)
            async with asyncio.timeout(60):
                while await rows(engine, "SELECT id FROM turns WHERE state IN ('queued', 'running')"):
                    await asyncio.sleep(0.05)
            await check(engine)
