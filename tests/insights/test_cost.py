"""What was spent, and who may know."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from conversation_engine.domains.llm.types import UsageSource
from conversation_engine.infra.db.database import Tx
from conversation_engine.insights.cost.errors import BadPeriodError, CostForbiddenError
from conversation_engine.insights.cost.period import instant_of
from conversation_engine.insights.cost.types import CostGroup, Spending
from conversation_engine.kernel.errors import InvalidInputError
from conversation_engine.kernel.people import Principal, Role
from conversation_engine.testing import FakeClock
from tests.conftest import OpenEngine
from tests.insights.scenes import ADA, BOB, END, NOON, START, call, report, talk, told

TINY = "0.000000000001"


class TestGroups:
    async def test_the_dearest_come_first_and_sums_are_exact(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        hers, his = await talk(engine), await talk(engine, BOB, type="interview")
        for conversation, cost, model in [
            (hers, "0.1", "a"),
            (hers, TINY, "a"),
            (hers, "0.2", "b"),
            (his, "9007199.254740993", "b"),
        ]:
            await call(engine, conversation, cost, model=model)
        found = {by: told(await report(engine, by)) for by in CostGroup}
        assert found[CostGroup.USER] == [("bob", "9007199.254740993"), ("ada", "0.300000000001")]
        assert found[CostGroup.MODEL] == [("p/b", "9007199.454740993"), ("p/a", "0.100000000001")]
        assert found[CostGroup.CONVERSATION] == [(his.id, "9007199.254740993"), (hers.id, "0.300000000001")]
        assert found[CostGroup.TYPE] == [("interview", "9007199.254740993"), ("general", "0.300000000001")]
        assert found[CostGroup.DAY] == [("2026-03-01", "9007199.554740993001")]

    async def test_a_day_is_a_utc_day_wherever_one_lives(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        conversation = await talk(engine)
        tokyo, hawaii = timezone(timedelta(hours=9)), timezone(timedelta(hours=-10))
        await call(engine, conversation, "1", at=datetime(2026, 3, 2, 8, 59, tzinfo=tokyo))
        await call(engine, conversation, "2", at=datetime(2026, 3, 1, 14, 0, tzinfo=hawaii))
        assert told(await report(engine)) == [("2026-03-01", "1"), ("2026-03-02", "2")]

    @pytest.mark.postgres
    async def test_whatever_the_session_s_time_zone_is(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        if "postgresql" not in engine.database.url:
            pytest.skip("SQLite has no time zones")
        await call(engine, await talk(engine), "1", at=datetime(2026, 3, 1, 23, 30, tzinfo=UTC))
        question = engine.costs.question(CostGroup.DAY, user_id=ADA, start=START, end=END)

        def work(tx: Tx) -> list[str | None]:
            tx.exec_driver_sql("SET LOCAL TIME ZONE 'Asia/Tokyo'")
            return [row.key for row in engine.costs._repo.groups(tx, question)]

        assert await engine.database.write(work) == ["2026-03-01"]

    async def test_what_finds_no_room_is_the_rest(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        conversation = await talk(engine)
        for day in range(1, 6):
            await call(engine, conversation, f"0.{day}", at=NOON.replace(day=day), model=str(day))
        days = await report(engine, limit=2)
        assert told(days) == [("2026-03-04", "0.4"), ("2026-03-05", "0.5")]
        assert (days.rest.calls, days.rest.cost, days.total.cost) == (3, Decimal("0.6"), Decimal("1.5"))
        models = await report(engine, CostGroup.MODEL, limit=2)
        assert told(models) == [("p/5", "0.5"), ("p/4", "0.4")]
        assert models.rest == days.rest

    async def test_nothing_at_all(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        found = await report(engine)
        assert (list(found.rows), found.total, found.rest, found.average) == ([], Spending(), Spending(), None)


class TestPeriod:
    async def test_the_first_instant_is_in_and_the_last_is_not(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        conversation = await talk(engine)
        for cost, seconds in (("1", -1), ("2", 0), ("4", 59), ("8", 60)):
            await call(engine, conversation, cost, at=NOON + timedelta(seconds=seconds))
        found = await report(engine, start=NOON, end=NOON + timedelta(seconds=60))
        assert found.total.cost == 6

    async def test_left_out_it_is_the_thirty_days_up_to_now(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        engine.costs._clock = FakeClock(NOON)
        conversation = await talk(engine)
        for cost, days in (("1", 31), ("2", 29), ("4", 0), ("8", -1)):
            await call(engine, conversation, cost, at=NOON - timedelta(days=days))
        assert (await report(engine, start=None, end=None)).total.cost == 6

    @pytest.mark.parametrize(
        ("start", "end"),
        [(NOON, NOON), (NOON, START), (None, datetime.min.replace(tzinfo=UTC)), (datetime(2026, 1, 1), NOON)],  # noqa: DTZ001
    )
    async def test_one_that_makes_no_sense_is_refused(
        self, open_engine: OpenEngine, start: datetime, end: datetime
    ) -> None:
        engine = await open_engine()
        with pytest.raises(BadPeriodError):
            engine.costs.question(CostGroup.DAY, user_id=ADA, start=start, end=end)

    @pytest.mark.parametrize(
        ("text", "instant"),
        [
            ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
            ("2026-03-01T12:00:00Z", NOON),
            ("2026-03-01T21:00:00+09:00", NOON),
        ],
    )
    def test_a_day_is_its_first_instant(self, text: str, instant: datetime) -> None:
        assert instant_of(text) == instant

    @pytest.mark.parametrize(
        "text", ["", "today", "2026-02-30", "2026-03-01T12:00:00", "1767225600", "0001-01-01T00:00:00+23:00"]
    )
    def test_a_time_without_a_zone_or_sense_is_refused(self, text: str) -> None:
        with pytest.raises(BadPeriodError):
            instant_of(text)

    async def test_a_report_is_bounded(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        for limit in (0, 1001):
            with pytest.raises(InvalidInputError):
                engine.costs.question(CostGroup.DAY, user_id=ADA, limit=limit)


class TestDoubts:
    async def test_calls_of_unknown_cost_are_counted_and_shown(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        conversation = await talk(engine)
        await call(engine, conversation, "0.5")
        await call(engine, conversation, "0.25", source=UsageSource.ESTIMATED)
        await call(engine, conversation, None)
        await call(engine, conversation, None, tokens=None)
        [row] = (await report(engine)).rows
        assert (row.spending.calls, row.spending.cost) == (4, Decimal("0.75"))
        doubts = (row.spending.estimated_calls, row.spending.unpriced_calls, row.spending.uncounted_calls)
        assert doubts == (1, 1, 1)
        assert (row.spending.input_tokens, row.spending.output_tokens) == (30, 6)


class TestTarget:
    async def test_conversations_above_it_are_counted(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(conversation_cost_target_dollars=Decimal("0.01"))
        for cost in ("0.01", "0.010000000001", "0.04"):
            conversation = await talk(engine)
            await call(engine, conversation, "0")
            await call(engine, conversation, cost)
        found = await report(engine)
        assert (found.conversations.count, found.conversations.over_target) == (3, 2)
        assert (found.conversations.highest, found.target) == (Decimal("0.04"), Decimal("0.01"))
        assert found.average == Decimal("0.020000000000")

    async def test_one_conversation_alone(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        conversations = [await talk(engine) for _ in range(2)]
        for conversation in conversations:
            await call(engine, conversation, "0.5")
        found = await report(engine, CostGroup.MODEL, conversation_id=conversations[0].id)
        assert (found.total.cost, found.conversations.count) == (Decimal("0.5"), 1)


class TestWhoMayKnow:
    async def test_oneself_and_administrators(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        for owner in (ADA, BOB):
            await call(engine, await talk(engine, owner), "1")
        ada = Principal(user_id=ADA, role=Role.TEACHER)
        mine = engine.costs.question(CostGroup.USER, user_id=ADA, start=START, end=END)
        assert told(await engine.costs.report(mine, asked_by=ada)) == [("ada", "1")]
        for user_id in (BOB, None):
            asked = engine.costs.question(CostGroup.USER, user_id=user_id, start=START, end=END)
            with pytest.raises(CostForbiddenError):
                await engine.costs.report(asked, asked_by=ada)
        assert len((await report(engine, CostGroup.USER)).rows) == 2


class TestCostOfAsking:
    async def test_one_user_s_period_is_read_by_index(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        if "sqlite" not in engine.database.url:
            pytest.skip("an empty PostgreSQL table is scanned whatever there is")
        plans = {}
        for name, asked in {"mine": {"user_id": ADA}, "everybody's": {"user_id": None}}.items():
            question = engine.costs.question(CostGroup.MODEL, start=START, end=END, **asked)  # type: ignore[arg-type]
            plans[name] = await engine.database.read(lambda tx, q=question: _plan(tx, engine.costs._repo, q))  # type: ignore[misc]
        assert "ix_llm_requests_owner_id (owner_id=? AND created_at>? AND created_at<?)" in plans["mine"]
        assert "ix_llm_requests_created_at (created_at>? AND created_at<?)" in plans["everybody's"]


def _plan(tx: Tx, repo: object, question: object) -> str:
    from sqlalchemy import event

    seen: list[tuple[str, object]] = []

    def note(connection: object, cursor: object, statement: str, parameters: object, *rest: object) -> None:
        seen.append((statement, parameters))

    event.listen(tx, "before_cursor_execute", note)
    repo.total(tx, question)  # type: ignore[attr-defined]
    [(statement, parameters)] = seen
    return " ".join(str(row) for row in tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters))  # type: ignore[arg-type]
