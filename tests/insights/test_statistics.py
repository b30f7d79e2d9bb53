"""Statistics: the same whether added up before or not, whatever was changed or deleted since."""

import random
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text, update

from conversation_engine.domains.conversations.types import Conversation, MessageRole, NewMessage, Usage
from conversation_engine.domains.feedback.types import Opinion, Verdict
from conversation_engine.domains.llm.types import UsageSource
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.engine.metadata import schema
from conversation_engine.infra.audit.types import AuditFilter
from conversation_engine.infra.ids import new_id
from conversation_engine.insights.cost.errors import BadPeriodError
from conversation_engine.insights.statistics.repo import StatisticsRepo
from conversation_engine.insights.statistics.types import DayRow, Performance, Period, Scope, Whose
from conversation_engine.kernel.ids import MessageId, UserId
from conversation_engine.kernel.people import Principal, Role, RoleForbiddenError
from conversation_engine.turns.types import NewTurn
from tests.conftest import OpenEngine
from tests.insights.scenes import ADA, BOB, NOON, call, talk
from tests.people.scenes import ADA as STUDENT
from tests.people.scenes import ROOT, TESS, client_of
from tests.turns.scenes import answered, rows

YEAR = Period(start=datetime(2026, 1, 1, tzinfo=UTC).date(), end=datetime(2031, 1, 1, tzinfo=UTC).date())
LOOKUP = {
    "is_answerable": True,
    "search_results": [{"id": "a"}],
    "citations": [1],
    "unknown_citations": [],
    "cache": {"query_embedding": "hit"},
    "processing_time_ms": 12.345,
}
ODD: tuple[dict[str, Any], ...] = (
    {"processing_time_ms": "soon", "is_answerable": "maybe", "citations": {"0": 1}},
    {"processing_time_ms": 10**400, "is_answerable": False, "search_results": "none", "cache": "warm"},
    {"processing_time_ms": -1, "is_answerable": None, "citations": ["1"], "cache": {"query_embedding": "miss"}},
    {"processing_time_ms": [1], "is_answerable": 1},
)
"""What people may write into the same places."""


def caller(user_id: UserId = ADA, role: Role = Role.STUDENT) -> Principal:
    return Principal(user_id=user_id, role=role)


async def say(
    engine: ConversationEngine, here: Conversation, role: MessageRole = MessageRole.USER, **fields: Any
) -> MessageId:
    new = NewMessage(id=MessageId(new_id()), role=role, content="words", **fields)
    return (await engine.conversations.add_message(here.id, new, owner_id=here.owner_id)).id


async def pay(engine: ConversationEngine, here: Conversation, cost: str | None, **fields: Any) -> None:
    """A call as turns record it: the conversation's totals change with it."""
    await call(engine, here, cost, **fields)
    used = Usage(input_tokens=10, output_tokens=2, cost=Decimal(cost or 0))
    await engine.database.write(lambda tx: engine.conversations.add_usage(tx, here.id, used))


async def everything(engine: ConversationEngine) -> tuple[list[DayRow], Any, Performance, Any]:
    """All that statistics say of everybody."""
    ask, root = engine.insights.statistics, ROOT
    return (
        [day for day in await ask.activity(root, YEAR, Whose.EVERYBODY) if day.sums.calls or day.sums.user_messages],
        await ask.engagement(root, YEAR, Whose.EVERYBODY),
        await ask.performance(root, YEAR, Whose.EVERYBODY),
        await ask.overview(root, Whose.EVERYBODY),
    )


async def scanned(engine: ConversationEngine) -> dict[str, Counter[str]]:
    """The same by day, counted from every row in plain Python."""
    days: dict[str, Counter[str]] = defaultdict(Counter)
    here = {row["id"] for row in await rows(engine, "SELECT id FROM conversations")}
    for row in await rows(engine, "SELECT conversation_id, role, created_at FROM messages"):
        days[str(row["created_at"])[:10]][row["role"]] += 1
    for row in await rows(engine, "SELECT conversation_id, status, cost, latency_ms, created_at FROM llm_requests"):
        if row["conversation_id"] in here:
            day = days[str(row["created_at"])[:10]]
            day["calls"] += 1
            day["picodollars"] += row["cost"] or 0
            day["ms"] += row["latency_ms"] if row["status"] == "completed" else 0
    return days


async def check(engine: ConversationEngine) -> None:
    """What is said now, after adding up, and after doing so from nothing: all the same, and what the rows say."""
    now = await everything(engine)
    await engine.insights.folder.fold()
    assert await everything(engine) == now
    await engine.insights.folder.rebuild()
    assert await everything(engine) == now
    told = {
        day.day: Counter(
            user=day.sums.user_messages,
            assistant=day.sums.replies,
            calls=day.sums.calls,
            picodollars=int(day.sums.cost * 10**12),
            ms=day.sums.latency_ms,
        )
        for day in now[0]
    }
    assert told == {day: +counts for day, counts in (await scanned(engine)).items() if counts["user"] + counts["calls"]}
    assert now[3].total.messages == sum(n["user"] + n["assistant"] for n in (await scanned(engine)).values())


class TestExactness:
    async def test_whatever_happens_sums_say_what_every_row_says(self, open_engine: OpenEngine) -> None:
        engine, chance = await open_engine(statistics_seconds=0), random.Random(7)
        talks = [await talk(engine, owner, type=kind) for owner in (ADA, BOB) for kind in ("general", "rag_query")]
        said: dict[str, list[MessageId]] = {one.id: [] for one in talks}
        for step in range(40):
            here = chance.choice(talks)
            act = chance.choice(("say", "say", "reply", "call", "fail", "delete", "fold", "fold some"))
            if act in ("say", "reply"):
                role = MessageRole.USER if act == "say" else MessageRole.ASSISTANT
                fields = {"metadata": chance.choice((LOOKUP, *ODD))} if act == "reply" else {}
                said[here.id].append(await say(engine, here, role, **fields))
            elif act in ("call", "fail"):
                at = NOON + timedelta(hours=7 * step)
                error = ("overloaded", "busy") if act == "fail" else None
                await pay(engine, here, "0.000000000007", at=at, took_ms=step * 700, error=error)
            elif act == "delete" and said[here.id]:
                gone = chance.randrange(len(said[here.id]))
                await engine.conversations.delete_message(here.id, said[here.id][gone], owner_id=here.owner_id)
                del said[here.id][gone:]
            elif act == "fold":
                await engine.insights.folder.fold()
            elif act == "fold some":
                await engine.database.write(lambda tx, here=here: StatisticsRepo().fold(tx, [here.id]))
        await check(engine)
        await engine.conversations.delete(talks[0].id, owner_id=ADA)
        await check(engine)
        await engine.database.write(lambda tx: tx.execute(text("DELETE FROM conversation_folds")))
        await check(engine)

    async def test_of_a_turn_everything_counts_at_once(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(statistics_seconds=0)
        here = await talk(engine)
        ask = engine.insights.statistics
        for number in range(1, 4):
            await answered(
                engine, await engine.turns.submit(NewTurn(conversation_id=here.id, owner_id=ADA, content="hi"))
            )
            sums = (await ask.performance(caller(), ask.period())).sums
            assert (sums.user_messages, sums.replies, sums.calls) == (number, number, number)
            await engine.insights.folder.fold()

    async def test_sums_are_read_and_only_what_changed_is_worked_out(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(statistics_seconds=0)
        quiet, lively = await talk(engine), await talk(engine)
        await say(engine, quiet)
        await say(engine, lively)
        assert await engine.insights.folder.fold() == 2
        assert await engine.insights.folder.fold() == 0
        await engine.database.write(lambda tx: tx.execute(text("UPDATE conversation_days SET user_messages = 100")))
        ask = engine.insights.statistics
        assert (await ask.performance(caller(), ask.period())).sums.user_messages == 200
        await say(engine, lively)
        assert list(await engine.database.read(lambda tx: StatisticsRepo().list_changed(tx, Scope()))) == [lively.id]
        assert (await ask.performance(caller(), ask.period())).sums.user_messages == 102

    async def test_a_late_amendment_counts(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(statistics_seconds=0)
        here = await talk(engine)
        await pay(engine, here, "1", source=UsageSource.ESTIMATED)
        await engine.insights.folder.fold()

        def amend(tx: Any) -> None:
            tx.execute(text("UPDATE llm_requests SET cost = 3000000000000"))
            engine.conversations.add_usage(tx, here.id, Usage(cost=Decimal(2)))

        await engine.database.write(amend)
        assert (await everything(engine))[2].sums.cost == 3
        await check(engine)


class TestFigures:
    async def test_lookups_times_and_caches(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(statistics_seconds=0)
        here = await talk(engine)
        for metadata in (LOOKUP, *ODD):
            await say(engine, here, MessageRole.ASSISTANT, metadata=metadata)
        for took_ms in (999, 1000, 9999, 30_000):
            await pay(engine, here, "0.5", took_ms=took_ms)
        await pay(engine, here, None, error=("overloaded", "busy"))
        ask = engine.insights.statistics
        sums = (found := await ask.performance(caller(), YEAR)).sums
        assert (sums.lookups, sums.lookups_found, sums.lookups_answerable, sums.lookups_cited) == (2, 1, 1, 1)
        assert (sums.lookups_misquoted, sums.lookup_cache_hits, sums.lookup_cache_misses) == (0, 1, 0)
        assert (sums.timed_messages, sums.processing_us) == (1, 12_345)
        assert (sums.under_1s, sums.under_3s, sums.under_10s, sums.under_30s) == (1, 1, 1, 0)
        assert (sums.completed_calls, sums.failed_calls, sums.cost) == (4, 1, Decimal(2))
        assert list(found.errors) == [("overloaded", 1)]

    async def test_engagement_and_feedback(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(statistics_seconds=0)
        once, often = await talk(engine, BOB), await talk(engine)
        await say(engine, once)
        for _ in range(3):
            last = await say(engine, often)
        messages = schema().tables["messages"]
        long_ago = update(messages).where(messages.c.id == last).values(created_at=NOON)
        await engine.database.write(lambda tx: tx.execute(long_ago))
        await engine.feedback.give(caller(), often.id, last, Opinion(verdict=Verdict.UP, rating=4))
        await engine.feedback.give(caller(BOB), once.id, None, Opinion(verdict=Verdict.DOWN))
        found = await engine.insights.statistics.engagement(ROOT, YEAR, Whose.EVERYBODY)
        assert (found.returns.people, found.returns.returned, found.returns.days) == (2, 1, 3)
        assert (found.messages, found.returns.conversations) == (4, 2)
        assert (found.lengths.counts, found.lengths.longest) == ((1, 1, 0, 0), 3)
        assert (found.opinions.count, found.opinions.up, found.opinions.down) == (2, 1, 1)
        assert found.opinions.ratings == (0, 0, 0, 1, 0)

    async def test_every_day_of_the_period_is_there(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(statistics_seconds=0)
        ask = engine.insights.statistics
        await talk(engine)
        days = await ask.activity(caller(), ask.period())
        assert len(days) == 30
        assert [day.started for day in days[-2:]] in ([0, 1], [1, 0])  # at midnight
        for start, end in ((NOON, NOON), (NOON, NOON - timedelta(days=1)), (NOON, NOON.replace(year=2080))):
            with pytest.raises(BadPeriodError):
                ask.period(start, end)


class TestWhose:
    async def test_oneself_a_teachers_clients_and_everybody(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(statistics_seconds=0)
        session = await engine.sessions.start_conversation(STUDENT, (await client_of(engine)).id)
        await talk(engine, STUDENT.user_id)
        await talk(engine, BOB)
        ask = engine.insights.statistics
        await engine.insights.folder.fold()
        await say(engine, session)
        assert (await ask.overview(STUDENT)).total.conversations == 2
        clients = await ask.overview(TESS, Whose.CLIENTS)
        assert (clients.total.conversations, clients.total.messages) == (1, session.message_count + 1)
        assert (await ask.engagement(TESS, ask.period(), Whose.CLIENTS)).returns.people == 1
        assert (await ask.overview(TESS)).total.conversations == 0
        assert (await ask.overview(ROOT, Whose.EVERYBODY)).total.conversations == 3

    async def test_only_for_those_whom_it_concerns_and_admins_leave_a_trace(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(statistics_seconds=0)
        ask = engine.insights.statistics
        for who, whose in ((STUDENT, Whose.CLIENTS), (STUDENT, Whose.EVERYBODY), (TESS, Whose.EVERYBODY)):
            with pytest.raises(RoleForbiddenError):
                await ask.overview(who, whose)
        await ask.performance(ROOT, ask.period(), Whose.EVERYBODY)
        [event] = (await engine.audit.list_of(ROOT, AuditFilter(action="statistics.looked_at"))).items
        assert event.deed.actor_id == ROOT.user_id
