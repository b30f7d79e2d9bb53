"""`convo cost`: what was spent, from the configured database."""

import asyncio
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from conversation_engine.entrypoints.cli.configuration import load_settings
from conversation_engine.insights.cost.types import CostGroup, CostQuestion, CostReport, Spending
from conversation_engine.kernel.ids import UserId

if TYPE_CHECKING:
    from conversation_engine.insights.cost.service import CostService


def cost(
    by: Annotated[CostGroup, typer.Option(help="What to add up by.")] = CostGroup.DAY,
    *,
    start: Annotated[
        str | None, typer.Option("--from", help="First day (UTC) or instant; 30 days ago if unset.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="Day or instant to stop before; now if unset.")] = None,
    user: Annotated[str, typer.Option(help="Whose spending.")] = "local",
    everybody: Annotated[bool, typer.Option("--everybody", help="Everybody's spending.")] = False,
    conversation: Annotated[str | None, typer.Option(help="Only the conversation with this id.")] = None,
    limit: Annotated[int, typer.Option(help="Most lines.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print what GET /stats/cost answers.")] = False,
) -> None:
    """Show what model calls cost, in tokens and US dollars. Days are UTC days."""
    from conversation_engine.insights.cost.period import instant_of
    from conversation_engine.insights.cost.schemas import CostReportOut

    def ask(costs: "CostService") -> CostQuestion:
        return costs.question(
            by,
            user_id=None if everybody else UserId(user),
            conversation_id=conversation,
            start=None if start is None else instant_of(start),
            end=None if end is None else instant_of(end),
            limit=limit,
        )

    report = asyncio.run(_report(ask))
    if as_json:
        print(CostReportOut.of(report).model_dump_json(by_alias=True, indent=2))
    else:
        print("\n".join(_lines(report)))


async def _report(ask: Callable[["CostService"], CostQuestion]) -> CostReport:
    """Who sits at the machine is its administrator."""
    from conversation_engine.engine.migrating import prepare
    from conversation_engine.infra.db.opening import backend_of, open_database
    from conversation_engine.insights.cost.service import CostService
    from conversation_engine.kernel.clock import SystemClock
    from conversation_engine.kernel.people import Principal, Role

    settings = load_settings()
    url = settings.resolved_database_url
    database = open_database(url, settings)
    try:
        await prepare(database, is_embedded=backend_of(url) == "sqlite")
        costs = CostService(database, clock=SystemClock(), settings=settings)
        operator = Principal(user_id=UserId("operator"), role=Role.ADMIN)
        return await costs.report(ask(costs), asked_by=operator)
    finally:
        await database.aclose()


def _lines(report: CostReport) -> Iterator[str]:
    from conversation_engine.entrypoints.cli.chat_reply import harmless

    question, costs = report.question, report.conversations
    whose = "everybody" if question.user_id is None else question.user_id
    yield f"{harmless(whose)}, {question.start:%Y-%m-%d %H:%M} to {question.end:%Y-%m-%d %H:%M} UTC"
    named = [("(deleted)" if row.key is None else harmless(row.key), row.spending) for row in report.rows]
    if report.rest.calls:
        named.append(("(the rest)", report.rest))
    named.append(("total", report.total))
    width = max(len(question.by), *(len(name) for name, _ in named))
    yield f"{question.by:<{width}}  {'calls':>8}  {'read':>12}  {'cached':>12}  {'written':>12}  dollars"
    for name, spending in named:
        yield _line(name.ljust(width), spending)
    average = "" if report.average is None else f" of ${report.average:f} on average, ${costs.highest:f} at most"
    yield f"conversations: {costs.count}{average}; {costs.over_target} above the target of ${report.target:f}"
    yield from _doubts(report.total)


def _line(name: str, spending: Spending) -> str:
    return (
        f"{name}  {spending.calls:>8}  {spending.input_tokens:>12}  {spending.cached_tokens:>12}  "
        f"{spending.output_tokens:>12}  ${spending.cost:f}{' + ?' if spending.unpriced_calls else ''}"
    )


def _doubts(total: Spending) -> Iterator[str]:
    if total.unpriced_calls:
        yield f"{total.unpriced_calls} calls have no known price and are not in the dollars: see CE_MODEL_PRICES."
    if total.uncounted_calls:
        yield f"{total.uncounted_calls} calls failed before anybody counted, and are not in the dollars."
    if total.estimated_calls:
        yield f"{total.estimated_calls} calls were counted here, because the provider did not."
