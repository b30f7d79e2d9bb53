"""How model calls went: failures that can be searched, and how fast models answer."""

from datetime import timedelta

import pytest

from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.insights.calls.percentiles import median_and_95th
from conversation_engine.insights.calls.types import FailureFilter
from conversation_engine.kernel.people import Principal, Role, RoleForbiddenError
from tests.conftest import OpenEngine
from tests.insights.scenes import ADA, ADMIN, BOB, call, talk

BUSY = ("model_overloaded", "529: Overloaded, 100% busy")
KEY = ("model_authentication", "401: no such key")


async def codes(engine: ConversationEngine, **wanted: str) -> list[str]:
    page = await engine.calls.failures(ADMIN, FailureFilter(**wanted))
    return [failed.code for failed in page.items]


class TestFailures:
    async def test_they_are_listed_newest_first_and_found_by_their_words(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        adas, bobs = await talk(engine, ADA), await talk(engine, BOB)
        await call(engine, adas, None, model="Alpha", error=BUSY)
        await call(engine, adas, "1")
        await call(engine, bobs, None, model="beta", error=KEY)
        assert await codes(engine) == [KEY[0], BUSY[0]]
        assert await codes(engine, code=BUSY[0]) == [BUSY[0]]
        for text in ("OVERLOADED", "100%", "p/alpha", "ada"):
            assert await codes(engine, search=text) == [BUSY[0]], text
        assert await codes(engine, search="1%0") == []
        [failed] = (await engine.calls.failures(ADMIN, FailureFilter(search="beta"))).items
        assert (failed.conversation_id, failed.owner_id, failed.model, failed.cause) == (bobs.id, BOB, "p/beta", KEY[1])
        assert failed.turn_id is not None

    async def test_pages_lead_on_and_back(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        conversation = await talk(engine)
        for number in range(5):
            await call(engine, conversation, None, error=(f"code_{number}", ""))
        first = await engine.calls.failures(ADMIN, FailureFilter(), limit=2)
        second = await engine.calls.failures(ADMIN, FailureFilter(), cursor=first.next, limit=2)
        back = await engine.calls.failures(ADMIN, FailureFilter(), cursor=second.previous, limit=2)
        assert [failed.code for failed in second.items] == ["code_2", "code_1"]
        assert back.items == first.items


class TestPace:
    async def test_each_model_has_a_median_and_a_slow_end(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        conversation, now = await talk(engine), engine.clock.now()
        for took in range(1, 21):
            await call(engine, conversation, "0", at=now, model="busy", took_ms=took * 10)
        await call(engine, conversation, None, at=now, model="broken", error=BUSY)
        await call(engine, conversation, "0", at=now - timedelta(hours=30), model="old")
        busy, broken = await engine.calls.pace(ADMIN)
        assert (busy.model, busy.calls, busy.failed) == ("p/busy", 20, 0)
        assert busy.latency_ms == busy.first_token_ms == (100, 190)
        assert (broken.model, broken.calls, broken.failed, broken.latency_ms) == ("p/broken", 1, 1, None)

    @pytest.mark.parametrize(("values", "expected"), [([], None), ([7], (7, 7)), ([3, 1, 2], (2, 3))])
    def test_percentiles_are_values_that_occurred(self, values: list[int], expected: tuple[int, int] | None) -> None:
        assert median_and_95th(values) == expected


async def test_both_are_for_admins(open_engine: OpenEngine) -> None:
    engine = await open_engine()
    tess = Principal(user_id=ADA, role=Role.TEACHER)
    with pytest.raises(RoleForbiddenError):
        await engine.calls.failures(tess, FailureFilter())
    with pytest.raises(RoleForbiddenError):
        await engine.calls.pace(tess)
