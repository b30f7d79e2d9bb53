"""Money adds up: whatever is done, a total is the sum of its model calls, to the last digit."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from conversation_engine.domains.conversations.types import Conversation, MessageRole, NewMessage, Usage
from conversation_engine.domains.llm.errors import OverloadedError
from conversation_engine.domains.llm.settings import PriceSetting
from conversation_engine.domains.llm.types import ModelEvent, ModelRequest, ReplyFinished, TextDelta, TokenUsage
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.infra.ids import new_id
from conversation_engine.insights.cost.types import CostGroup, Spending
from conversation_engine.kernel.ids import MessageId
from conversation_engine.kernel.money import from_picodollars
from conversation_engine.kernel.people import Principal, Role
from conversation_engine.turns.types import NewTurn, Turn
from tests.conftest import OpenEngine, until
from tests.durability.test_machine import kill
from tests.insights.scenes import report, talk
from tests.turns.conftest import LONG_AGO, OpenStale
from tests.turns.scenes import ADA, answered, rows

PRICES = {
    "scripted/dear*": PriceSetting(
        input=Decimal("0.123456789012"),
        output=Decimal("7.000000000001"),
        cached=Decimal("0.000000000003"),
        cache_write=Decimal("0.333333333333"),
    ),
    "scripted/free": PriceSetting(input=Decimal(0), output=Decimal(0)),
}
MODELS = ("scripted/dear", "scripted/dearest", "scripted/free", "scripted/unpriced")


class Purse:
    """A model that reports what it is told to, breaks when told to, and hangs when told to."""

    name = "scripted"

    def __init__(self) -> None:
        self.usage: TokenUsage | None = None
        self.ends: str = "well"
        self.calls = 0
        self.go_on = asyncio.Event()
        """What hangs goes on."""

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        self.calls += 1
        if self.ends in ("refused", "refused once"):
            self.ends = "refused" if self.ends == "refused" else "well"
            raise OverloadedError("503")
        yield TextDelta(text="some words of a reply")
        if self.ends == "broken":
            raise OverloadedError("503")
        if self.ends == "hanging":
            async with asyncio.timeout(60):
                await self.go_on.wait()
        yield ReplyFinished(finish_reason="stop", usage=self.usage)

    async def warm_up(self) -> None:
        return None

    async def aclose(self) -> None:
        return None


@st.composite
def usages(draw: st.DrawFn) -> TokenUsage | None:
    read, wrote = draw(st.integers(0, 999_999)), draw(st.integers(0, 99_999))
    cached = draw(st.integers(0, read))
    usage = TokenUsage(
        input_tokens=read,
        cached_tokens=cached,
        output_tokens=wrote,
        cache_write_tokens=draw(st.integers(0, read - cached)),
        reasoning_tokens=draw(st.integers(0, wrote)),
    )
    return draw(st.sampled_from([usage, usage, usage, None]))


ACTS = ("well", "well", "broken", "refused", "cancelled", "regenerated", "forked", "trimmed", "deleted")
BESIDE = ("refused once", "read", "checked")
"""Calls that are made again, and calls that are no reply."""
LOST = ("crashed", "outlived", "elsewhere", "vanishing", "crashed beside", "outlived beside")
USED = TokenUsage(input_tokens=1000, cached_tokens=10, output_tokens=100)
acts = st.lists(
    st.tuples(st.sampled_from((*ACTS, *BESIDE, *LOST)), st.sampled_from(MODELS), usages()),
    min_size=3,
    max_size=8,
)
for_a_while = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))


class World:
    """Ada, who does everything that costs, and a few things that do not."""

    def __init__(self, engine: ConversationEngine, model: Purse, open_stale: OpenStale) -> None:
        self.engine = engine
        self.model = model
        self.open_stale = open_stale
        self.talks: list[Conversation] = []

    async def act(self, act: str, model_name: str, usage: TokenUsage | None) -> None:
        self.model.usage, self.model.ends = usage, act if act in ("broken", "refused", "refused once") else "well"
        if not self.talks or act in ("crashed", "outlived"):
            self.talks.append(await talk(self.engine))
        here = self.talks[-1]
        match act:
            case "cancelled" | "vanishing" | "crashed" | "outlived":
                await self._stop(act, here, model_name)
            case "elsewhere":
                cost = None if usage is None else Decimal(usage.input_tokens).scaleb(-9)
                said = NewMessage(id=MessageId(new_id()), role=MessageRole.ASSISTANT, content="x", cost=cost)
                used = Usage(output_tokens=3, cost=cost or Decimal(0))
                await self.engine.conversations.add_message(here.id, said, owner_id=ADA, usage=used)
            case "regenerated" | "forked" | "trimmed":
                await self._answer(here, model_name)
                await self._revise(act, here, model_name)
            case "read":
                await self._answer(here, model_name)
                await self.engine.questions.analyze_follow_up(here.id, "And why is that?", owner_id=ADA)
            case "crashed beside" | "outlived beside":
                await self._lose_a_reading(act, here, model_name)
            case "checked":
                await self.engine.checks.check(model_name, Principal(user_id=ADA, role=Role.ADMIN))
            case "deleted":
                await self._answer(here, model_name)
                await self.engine.conversations.delete(here.id, owner_id=ADA)
                self.talks.remove(here)
            case _:
                await self._answer(here, model_name)

    async def _answer(self, here: Conversation, model_name: str) -> Turn:
        new = NewTurn(conversation_id=here.id, owner_id=ADA, content="hi", model=model_name)
        return (await answered(self.engine, await self.engine.turns.submit(new))).turn

    async def _stop(self, act: str, here: Conversation, model_name: str) -> None:
        is_stale = act in ("crashed", "outlived")
        engine = await self.open_stale(self.model, model_prices=PRICES) if is_stale else self.engine
        self.model.ends = "hanging"
        new = NewTurn(conversation_id=here.id, owner_id=ADA, content="hi", model=model_name)
        calls = self.model.calls
        turn = await engine.turns.submit(new)
        await until(lambda: self.model.calls > calls and _heard(engine, turn))
        if act == "cancelled":
            await self.engine.turns.cancel(here.id, turn.id, owner_id=ADA)
        elif is_stale:
            if act == "crashed":
                await kill(engine)
            self.model.ends = "well"
            await self.engine.turns._runner._sweep()
            await answered(self.engine, turn)
            if act == "outlived":
                engine.turns._runner._lose(turn.id)
                await until(lambda: engine.turns._runner.find(turn.id) is None)
        else:
            await self.engine.conversations.delete(here.id, owner_id=ADA)
            self.talks.remove(here)
            self.engine.turns._runner._lose(turn.id)
            await until(lambda: self.engine.turns._runner.find(turn.id) is None)

    async def _lose_a_reading(self, act: str, here: Conversation, model_name: str) -> None:
        """A question is being read by a process that is thought dead, and may be."""
        await self._answer(here, model_name)
        engine = await self.open_stale(self.model, model_prices=PRICES, understanding_model=model_name)
        self.model.ends, calls = "hanging", self.model.calls
        reading = asyncio.create_task(engine.questions.analyze_follow_up(here.id, "And why is that?", owner_id=ADA))
        await until(lambda: self.model.calls > calls)
        if act == "crashed beside":
            await kill(engine)
            reading.cancel()
        await self.engine.turns._runner._sweep()
        self.model.go_on.set()
        await asyncio.gather(reading, return_exceptions=True)
        self.model.go_on.clear()
        self.model.ends = "well"

    async def _revise(self, act: str, here: Conversation, model_name: str) -> None:
        messages = (await self.engine.conversations.list_messages(here.id, owner_id=ADA, newest_first=True)).items
        newest = messages[0].id
        if act == "regenerated":
            new = NewTurn(conversation_id=here.id, owner_id=ADA, content=None, model=model_name)
            await answered(self.engine, await self.engine.turns.regenerate(newest, new))
        elif act == "forked":
            self.talks.append(await self.engine.conversations.fork(here.id, newest, owner_id=ADA))
        else:
            await self.engine.turns.delete_message(here.id, newest, owner_id=ADA)


def _heard(engine: ConversationEngine, turn: Turn) -> bool:
    run = engine.turns._runner.find(turn.id)
    return run is not None and run.live.durable_length > 0


def _sum(calls: list[dict[str, Any]]) -> tuple[int, int, Decimal]:
    return (
        sum(call["input_tokens"] or 0 for call in calls),
        sum(call["output_tokens"] or 0 for call in calls),
        from_picodollars(sum(call["cost"] or 0 for call in calls)),
    )


async def check_sums(engine: ConversationEngine) -> None:
    """Of every conversation, of every report, and of its parts."""
    calls = await rows(engine, "SELECT * FROM llm_requests")
    of_conversation = defaultdict(list)
    for call in calls:
        of_conversation[str(call["conversation_id"]).replace("-", "")].append(call)
    for row in await rows(engine, "SELECT * FROM conversations"):
        total = (row["input_tokens"], row["output_tokens"], from_picodollars(row["cost"]))
        assert total == _sum(of_conversation[str(row["id"]).replace("-", "")])
    for by in CostGroup:
        for limit in (2, 1000):
            found = await report(engine, by, start=LONG_AGO, end=None, limit=limit)
            total = found.total
            assert (total.input_tokens, total.output_tokens, total.cost) == _sum(calls)
            assert total.calls == len(calls)
            assert total.unpriced_calls + total.uncounted_calls == sum(call["cost"] is None for call in calls)
            assert sum((row.spending.cost for row in found.rows), found.rest.cost) == total.cost
            assert limit == 2 or found.rest == Spending()


class TestSums:
    @for_a_while
    @example(plan=[(act, MODELS[0], USED) for act in LOST], mode="interrupt")
    @given(plan=acts, mode=st.sampled_from(["interrupt", "retry"]))
    async def test_every_total_is_the_sum_of_its_calls(
        self, open_engine: OpenEngine, open_stale: OpenStale, plan: list[Any], mode: str
    ) -> None:
        model = Purse()
        engine = await open_engine(
            model,
            model_prices=PRICES,
            recovery=mode,
            sweep_seconds=3600,
            retry_count=1,
            retry_base_seconds=0,
            circuit_faults=1000,
            understanding_model="scripted/dear",
        )
        world = World(engine, model, open_stale)
        for act in plan:
            await world.act(*act)
        await check_sums(engine)
        await engine.aclose()
