"""`/conversations/stats/…` over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query

from conversation_engine.infra.web.access import Caller, service_of
from conversation_engine.insights.cost.period import instant_of
from conversation_engine.insights.statistics.schemas import (
    ActivityOut,
    EngagementOut,
    PerformanceOut,
    StatisticsOverview,
)
from conversation_engine.insights.statistics.service import StatisticsService
from conversation_engine.insights.statistics.types import Period, Whose

router = APIRouter(prefix="/conversations/stats", tags=["stats"])

Statistics = Annotated[StatisticsService, service_of(StatisticsService)]
Start = Annotated[str | None, Query(alias="from", description="A UTC day: 2026-01-31. Unset: 30 days before `to`.")]
End = Annotated[str | None, Query(alias="to", description="As `from`; not included. Unset: tomorrow.")]
Of = Annotated[
    Whose, Query(description="`me`; `clients`: sessions with your clients, for teachers; `everybody`: for admins.")
]


@router.get("/overview")
async def get_overview(caller: Caller, statistics: Statistics, whose: Of = Whose.ME) -> StatisticsOverview:
    """All conversations that there are: how many, of which types, with how many messages, tokens and dollars."""
    return StatisticsOverview.of(await statistics.overview(caller, whose), whose)


@router.get("/activity")
async def get_activity(
    caller: Caller, statistics: Statistics, *, whose: Of = Whose.ME, start: Start = None, end: End = None
) -> ActivityOut:
    """What went on, day by day. Days are UTC days; what was deleted since does not count."""
    period = _period(statistics, start, end)
    return ActivityOut.of(await statistics.activity(caller, period, whose), period, whose)


@router.get("/engagement")
async def get_engagement(
    caller: Caller, statistics: Statistics, *, whose: Of = Whose.ME, start: Start = None, end: End = None
) -> EngagementOut:
    """Whether people stay and come back, how long conversations are, and what feedback says."""
    period = _period(statistics, start, end)
    return EngagementOut.of(await statistics.engagement(caller, period, whose), period, whose)


@router.get("/performance")
async def get_performance(
    caller: Caller, statistics: Statistics, *, whose: Of = Whose.ME, start: Start = None, end: End = None
) -> PerformanceOut:
    """How long model calls took, what caches saved, how searching documents went, and what failed."""
    period = _period(statistics, start, end)
    return PerformanceOut.of(await statistics.performance(caller, period, whose), period, whose)


def _period(statistics: StatisticsService, start: str | None, end: str | None) -> Period:
    first, last = (None if text is None else instant_of(text) for text in (start, end))
    return statistics.period(first, last)
