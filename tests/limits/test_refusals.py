"""What is kept of requests that rates refused."""

from datetime import timedelta

import pytest

from conversation_engine.domains.limits.rates import RateClass, RateLimiter, parse_rules
from conversation_engine.domains.limits.refusals.service import EVERYBODY_ELSE, KEPT_DAYS, RefusalBook
from conversation_engine.infra.rates.memory import MemoryWindows
from conversation_engine.kernel.ids import UserId
from conversation_engine.kernel.people import RoleForbiddenError
from conversation_engine.testing import FakeClock
from tests.conftest import OpenEngine
from tests.limits.test_rates import ADA, BOB, let_in
from tests.people.scenes import ROOT

RULES = "messages user 2/minute; messages everybody 3/hour"


async def opened(open_engine: OpenEngine) -> tuple[RateLimiter, RefusalBook, FakeClock]:
    clock = FakeClock()
    book = RefusalBook((await open_engine()).database, clock=clock)
    rates = RateLimiter(MemoryWindows(clock), parse_rules(RULES), on_refused=book.note)
    return rates, book, clock


class TestRefusalBook:
    async def test_it_says_by_hour_and_rule_and_by_person_how_often(self, open_engine: OpenEngine) -> None:
        rates, book, clock = await opened(open_engine)
        assert await let_in(rates, ADA, 5) == 2
        await book.write()
        assert await let_in(rates, BOB, 3) == 1
        first = clock.now().replace(minute=0, second=0, microsecond=0)
        clock.advance(seconds=3600)
        assert await let_in(rates, ADA, 3) == 2
        found = await book.look(ROOT, days=1)
        assert [(one.hour, one.rule, one.refused) for one in found.hours] == [
            (first, "messages-everybody", 2),
            (first, "messages-user", 3),
            (first + timedelta(hours=1), "messages-user", 1),
        ]
        assert [(one.user_id, one.rule, one.refused) for one in found.people] == [
            ("ada", "messages-user", 4),
            ("bob", "messages-everybody", 2),
        ]
        assert found.people[0].last_at == clock.now()

    async def test_it_forgets_what_is_old(self, open_engine: OpenEngine) -> None:
        rates, book, clock = await opened(open_engine)
        await let_in(rates, ADA, 3)
        await book.write()
        clock.advance(seconds=(KEPT_DAYS + 1) * 86_400)
        await let_in(rates, BOB, 3)
        found = await book.look(ROOT, days=KEPT_DAYS + 10)
        assert [one.user_id for one in found.people] == ["bob"]

    async def test_what_could_not_be_written_is_written_later(self, open_engine: OpenEngine) -> None:
        clock = FakeClock()
        engine = await open_engine()
        book = RefusalBook(engine.database, clock=clock)
        book.note(ADA.user_id, "messages-user")
        await engine.database.write(lambda tx: tx.exec_driver_sql("ALTER TABLE rate_refusals RENAME TO elsewhere"))
        with pytest.raises(Exception, match="rate_refusals"):
            await book.write()
        await engine.database.write(lambda tx: tx.exec_driver_sql("ALTER TABLE elsewhere RENAME TO rate_refusals"))
        assert [one.refused for one in (await book.look(ROOT, days=1)).people] == [1]

    async def test_a_crowd_takes_no_more_memory(self, open_engine: OpenEngine) -> None:
        book = RefusalBook((await open_engine()).database, clock=FakeClock(), most_remembered=2)
        for name in ("a", "b", "c", "d", "a"):
            book.note(UserId(name), "messages-user")
        found = await book.look(ROOT, days=1)
        assert [(one.user_id, one.refused) for one in found.people] == [(EVERYBODY_ELSE, 2), ("a", 2), ("b", 1)]

    async def test_it_is_for_admins(self, open_engine: OpenEngine) -> None:
        _, book, _ = await opened(open_engine)
        with pytest.raises(RoleForbiddenError):
            await book.look(ADA, days=1)

    async def test_an_engine_writes_what_it_refused_before_it_ends(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(rate_limits="reads user 1/day")
        assert await let_in(engine.rates, ADA, 3, RateClass.READS) == 1
        await engine.refusals.aclose()
        later = await open_engine()
        [one] = (await later.refusals.look(ROOT, days=1)).people
        assert (one.user_id, one.rule, one.refused) == ("ada", "reads-user", 2)
