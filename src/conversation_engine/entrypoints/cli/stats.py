"""`convo stats`: what goes on in conversations, from the configured database."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from conversation_engine.entrypoints.cli.stores import store
from conversation_engine.insights.statistics.types import Whose
from conversation_engine.kernel.ids import UserId

if TYPE_CHECKING:
    from conversation_engine.engine.insights import Insights
    from conversation_engine.insights.statistics.schemas import (
        ActivityOut,
        EngagementOut,
        PerformanceOut,
        StatisticsOverview,
    )

T = TypeVar("T")
app = typer.Typer(help="What goes on in conversations: how many, how long, how well.")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Report:
    overview: "StatisticsOverview"
    activity: "ActivityOut"
    engagement: "EngagementOut"
    performance: "PerformanceOut"


@app.callback(invoke_without_command=True)
def stats(
    context: typer.Context,
    *,
    user: Annotated[str, typer.Option(help="Whose conversations.")] = "local",
    everybody: Annotated[bool, typer.Option("--everybody", help="Everybody's conversations.")] = False,
    start: Annotated[str | None, typer.Option("--from", help="First day (UTC); 30 days ago if unset.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Day to stop before; tomorrow if unset.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what GET /conversations/stats/… answer.")] = False,
) -> None:
    """Show what goes on in conversations. Days are UTC days."""
    if context.invoked_subcommand is not None:
        return
    whose = Whose.EVERYBODY if everybody else Whose.ME
    report = asyncio.run(with_insights(lambda insights: _report(insights, UserId(user), whose, (start, end))))
    if as_json:
        import json

        views = {name: getattr(report, name) for name in ("overview", "activity", "engagement", "performance")}
        print(json.dumps({name: view.model_dump(mode="json", by_alias=True) for name, view in views.items()}, indent=2))
    else:
        print("\n".join(_lines(report)))


@app.command("rebuild")
def rebuild() -> None:
    """Add all conversations up again. Statistics stay exact meanwhile; nothing else waits for it."""
    count = asyncio.run(with_insights(lambda insights: insights.folder.rebuild()))
    print(f"Added up {count:,} conversations.")


async def with_insights(work: Callable[["Insights"], Awaitable[T]]) -> T:
    """Let `work` read the configured database."""
    async with store() as engine:
        return await work(engine.insights)


async def _report(insights: "Insights", user_id: UserId, whose: Whose, days: tuple[str | None, str | None]) -> _Report:
    """Who sits at the machine is its administrator."""
    from conversation_engine.insights.cost.period import instant_of
    from conversation_engine.insights.statistics.schemas import (
        ActivityOut,
        EngagementOut,
        PerformanceOut,
        StatisticsOverview,
    )
    from conversation_engine.kernel.people import Principal, Role

    ask = insights.statistics
    caller = Principal(user_id=user_id, role=Role.ADMIN)
    period = ask.period(*(None if day is None else instant_of(day) for day in days))
    return _Report(
        overview=StatisticsOverview.of(await ask.overview(caller, whose), whose),
        activity=ActivityOut.of(await ask.activity(caller, period, whose), period, whose),
        engagement=EngagementOut.of(await ask.engagement(caller, period, whose), period, whose),
        performance=PerformanceOut.of(await ask.performance(caller, period, whose), period, whose),
    )


def _lines(report: _Report) -> Iterator[str]:
    from conversation_engine.entrypoints.cli.chat_reply import harmless

    overview, engagement, performance = report.overview, report.engagement, report.performance
    yield (
        f"{overview.total_conversations:,} conversations, {overview.total_messages:,} messages, "
        f"{overview.total_tokens:,} tokens, ${overview.total_cost:f}"
    )
    for kind, group in overview.types.items():
        yield f"  {harmless(kind)}: {group.conversations:,} conversations, {group.messages:,} messages"
    yield f"{engagement.start} to {engagement.end} (not included), UTC"
    yield "day         begun  active  people    said  replies  calls"
    for day in report.activity.days:
        if day.started or day.conversations or day.calls:
            counts = f"{day.started:>7}{day.conversations:>8}{day.people:>8}{day.user_messages:>8}{day.replies:>9}"
            yield f"{day.day}{counts}{day.calls:>7}"
    yield f"came back: {engagement.returned} of {engagement.people} people"
    feedback, times = engagement.feedback, performance.model_calls
    yield f"feedback: {feedback.up} up, {feedback.down} down, {_number(feedback.average_rating)} of 5 stars on average"
    yield (
        f"model calls: {times.calls} completed in {_number(times.average_ms)} ms on average, first word after "
        f"{_number(times.average_first_token_ms)} ms; {performance.errors.failed_calls} failed"
    )
    for code, count in performance.errors.codes.items():
        yield f"  {harmless(code)}: {count}"
    yield f"searches: {performance.searches.count}, {performance.searches.cited} of them cited"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.1f}"
