"""Budgets that run out are told of: once a line, a period and an account."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from decimal import Decimal

import pytest

from conversation_engine.domains.conversations.types import NewConversation
from conversation_engine.domains.limits.errors import OverBudgetError
from conversation_engine.domains.limits.types import BudgetScope
from conversation_engine.domains.llm.settings import PriceSetting
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.engine.settings import Settings
from conversation_engine.infra.outbox.types import OutboxEvent
from conversation_engine.testing import ScriptedModel
from conversation_engine.turns.types import TurnDetail, TurnState
from tests.conftest import until
from tests.turns.scenes import ADA, answered, ask, begin
from tests.turns.test_spending import PRICE, SHORT, USAGE, bound

PRICES = PRICE | {"free/*": PriceSetting(input=Decimal(0), output=Decimal(0))}


@pytest.fixture
def heard() -> list[OutboxEvent]:
    return []


@pytest.fixture
async def replicas(settings: Settings, heard: list[OutboxEvent]) -> AsyncIterator[list[ConversationEngine]]:
    """Two processes over one database."""
    changes = {**SHORT, "model_prices": PRICES, "job_poll_seconds": 0.05, "budget_refresh_seconds": 0.05}
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                ConversationEngine(
                    settings.model_copy(update=changes),
                    providers={"scripted": ScriptedModel(usage=USAGE), "free": ScriptedModel(usage=USAGE)},
                    listeners=[heard.append],
                )
            )
            for _ in range(2)
        ]


async def talk(engine: ConversationEngine, times: int) -> None:
    for _ in range(times):
        await answered(engine, await ask(engine, (await begin(engine)).id))


class TestAlerts:
    async def test_a_line_is_told_of_when_it_is_crossed(
        self, replicas: list[ConversationEngine], heard: list[OutboxEvent]
    ) -> None:
        [engine, _] = replicas
        await bound(engine, tokens=200)
        await talk(engine, 4)  # 120 of 200
        await engine.jobs.drain(seconds=20)
        [event] = heard
        assert event.kind == "budget.threshold_reached"
        assert {name: event.payload[name] for name in ("percent", "scope", "subject", "period", "spent_tokens")} == {
            "percent": 50,
            "scope": "user",
            "subject": ADA,
            "period": "day",
            "spent_tokens": 120,
        }
        await talk(engine, 1)  # 150: between the lines
        await engine.jobs.drain(seconds=20)
        assert len(heard) == 1

    async def test_a_race_of_processes_crosses_each_line_once(
        self, replicas: list[ConversationEngine], heard: list[OutboxEvent]
    ) -> None:
        await bound(replicas[0], BudgetScope.GLOBAL, tokens=900)
        await replicas[1].budgets._refresh()
        conversations = [await begin(replicas[0]) for _ in range(16)]

        answers: list[TurnDetail] = []

        async def try_one(number: int) -> None:
            engine = replicas[number % 2]
            while len(answers) < 25:  # 750 of 900
                try:
                    answers.append(await answered(engine, await ask(engine, conversations[number].id)))
                except OverBudgetError:
                    await asyncio.sleep(0.05)

        await asyncio.gather(*map(try_one, range(len(conversations))))
        await replicas[0].jobs.drain(seconds=20)
        percents = [event.payload["percent"] for event in heard if event.kind == "budget.threshold_reached"]
        assert sorted(percents) == sorted(set(percents))
        assert {50, 80} <= set(percents)

    async def test_one_call_may_cross_several(
        self, replicas: list[ConversationEngine], heard: list[OutboxEvent]
    ) -> None:
        await bound(replicas[0], tokens=10_000)
        await talk(replicas[0], 4)
        await bound(replicas[0], tokens=186)
        await talk(replicas[0], 1)  # 150 of 186
        await replicas[0].jobs.drain(seconds=20)
        assert sorted(event.payload["percent"] for event in heard) == [50, 80]

    async def test_a_budget_that_was_raised_has_its_lines_anew(
        self, replicas: list[ConversationEngine], heard: list[OutboxEvent]
    ) -> None:
        """Else whoever gives a project ten times as much would never hear of it again."""
        [engine, _] = replicas
        await bound(engine, tokens=60)
        await talk(engine, 1)
        await bound(engine, tokens=200)
        await talk(engine, 4)  # 150 of 200
        await engine.jobs.drain(seconds=20)
        told = [
            (event.payload["percent"], event.payload["cap_tokens"], event.payload["spent_tokens"]) for event in heard
        ]
        assert sorted(told) == [(50, 60, 30), (50, 200, 120)]

    async def test_a_budget_that_refuses_a_call_is_told_of_once_however_little_of_it_is_spent(
        self, replicas: list[ConversationEngine], heard: list[OutboxEvent]
    ) -> None:
        await bound(replicas[0], tokens=75)
        await until(lambda: replicas[1].budgets.may_be_any)
        await talk(replicas[0], 1)  # 30 of 75: the next may cost more than is left
        for engine in replicas * 3:
            with pytest.raises(OverBudgetError):
                await ask(engine, (await begin(engine)).id)
        await replicas[0].jobs.drain(seconds=20)
        told = [(event.kind, event.payload["percent"], event.payload["spent_tokens"]) for event in heard]
        assert told == [("budget.refused", 40, 30)]
        await bound(replicas[0], tokens=76)
        with pytest.raises(OverBudgetError):
            await ask(replicas[1], (await begin(replicas[1])).id)
        await replicas[0].jobs.drain(seconds=20)
        assert [event.payload["cap_tokens"] for event in heard] == [75, 76]

    async def test_a_budget_of_nothing_tells_that_it_refuses_and_lets_pass_what_is_free(
        self, replicas: list[ConversationEngine], heard: list[OutboxEvent]
    ) -> None:
        [engine, _] = replicas
        await bound(engine, dollars="0")
        with pytest.raises(OverBudgetError):
            await ask(engine, (await begin(engine)).id)
        free = NewConversation(owner_id=ADA, model="free/one")
        turn = await ask(engine, (await engine.conversations.create(free)).id)
        assert (await answered(engine, turn)).turn.state is TurnState.COMPLETED
        await engine.jobs.drain(seconds=20)
        assert [(event.kind, Decimal(event.payload["cap_dollars"])) for event in heard] == [("budget.refused", 0)]
