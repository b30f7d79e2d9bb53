"""`convo limits` and `convo budgets`: what may be spent, on the configured database."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated

import typer

from conversation_engine.entrypoints.cli.configuration import load_settings
from conversation_engine.entrypoints.cli.errors import BadAmountError
from conversation_engine.kernel.ids import UserId
from conversation_engine.kernel.people import Principal, Role

if TYPE_CHECKING:
    from conversation_engine.domains.limits.types import Standing
    from conversation_engine.engine.engine import ConversationEngine

    Work = Callable[[ConversationEngine], Awaitable[None]]

OPERATOR = Principal(user_id=UserId("operator"), role=Role.ADMIN)
"""Whoever can reach the database may set budgets."""

app = typer.Typer(help="What may be spent.", no_args_is_help=True)


@app.callback()
def _budgets() -> None:
    """What may be spent."""


@app.command("list")
def list_budgets() -> None:
    """Every budget that was set, and how it stands."""
    _run(_list)


@app.command("set")
def set_budget(
    scope: Annotated[str, typer.Argument(help="global, role, user, persona or conversation.")],
    period: Annotated[str, typer.Argument(help="day, month or total.")],
    *,
    subject: Annotated[str, typer.Option(help="An id or a role; *: each one without a budget of its own.")] = "*",
    dollars: Annotated[str | None, typer.Option(help="US dollars, such as 2.50.")] = None,
    tokens: Annotated[int | None, typer.Option(min=0, help="Input and output together.")] = None,
) -> None:
    """Set a budget, or change it: convo budgets set user day --subject ada --dollars 1."""
    amount = None if dollars is None else _amount(dollars)
    _run(lambda engine: _set(engine, (scope, subject, period), amount, tokens))


@app.command("remove")
def remove_budget(budget_id: Annotated[str, typer.Argument(help="As `convo budgets list` shows it.")]) -> None:
    """Bound it no more."""
    _run(lambda engine: _remove(engine, budget_id))


def limits(
    user: Annotated[str, typer.Option(help="Whose limits.")] = "local",
    role: Annotated[Role, typer.Option(help="Their role.")] = Role.ADMIN,
) -> None:
    """What a user may still do: rates and budgets. Rates that a server counts in its own memory show as unused."""
    _run(lambda engine: _limits(engine, Principal(user_id=UserId(user), role=role)))


def _run(work: "Work") -> None:
    import asyncio

    async def run() -> None:
        async with _engine() as engine:
            await work(engine)

    asyncio.run(run())


@asynccontextmanager
async def _engine() -> "AsyncIterator[ConversationEngine]":
    """Not started: it takes no turns and recovers none."""
    from conversation_engine.engine.engine import ConversationEngine
    from conversation_engine.engine.migrating import prepare
    from conversation_engine.infra.db.opening import backend_of

    engine = ConversationEngine(load_settings())
    try:
        is_embedded = backend_of(engine.settings.resolved_database_url) == "sqlite"
        await prepare(engine.database, is_embedded=is_embedded)
        yield engine
    finally:
        await engine.aclose()


async def _list(engine: "ConversationEngine") -> None:
    cursor: str | None = None
    while True:
        page = await engine.budgets.list_of(OPERATOR, cursor=cursor, limit=200)
        for budget, standing in page.items:
            print(f"{budget.id}  {_told(standing)}")
        if page.next is None:
            return
        cursor = page.next


async def _set(
    engine: "ConversationEngine", key: tuple[str, str, str], dollars: Decimal | None, tokens: int | None
) -> None:
    from conversation_engine.domains.limits.errors import BadBudgetError
    from conversation_engine.domains.limits.types import BudgetKey, BudgetPeriod, BudgetScope, Cap

    scope, subject, period = key
    try:
        named = BudgetKey(scope=BudgetScope(scope), subject=subject, period=BudgetPeriod(period))
    except ValueError as error:
        raise BadBudgetError(
            f"{scope} {period} is no budget: a scope is global, role, user, persona or conversation, a period day, "
            "month or total.",
            field="scope",
        ) from error
    budget = await engine.budgets.put(OPERATOR, named, Cap(dollars=dollars, tokens=tokens))
    print(budget.id)


async def _remove(engine: "ConversationEngine", budget_id: str) -> None:
    from conversation_engine.domains.limits.types import BudgetId

    await engine.budgets.remove(OPERATOR, BudgetId(budget_id))


async def _limits(engine: "ConversationEngine", who: Principal) -> None:
    for one in await engine.rates.look(who):
        rate, left = one.rule.rate, one.standing.remaining
        print(f"{one.rule.name}: {left} of {rate.limit} left in {rate.period_seconds} s")
    standings: Sequence[Standing] = await engine.budgets.look(who.user_id, who.role)
    for standing in standings:
        print(_told(standing))


def _told(standing: "Standing") -> str:
    account, left, spent = standing.account, standing.left, standing.balance.spent
    bounds = []
    if account.cap.dollars is not None:
        bounds.append(f"${left.dollars:f} of ${account.cap.dollars:f}")
    if account.cap.tokens is not None:
        bounds.append(f"{left.tokens} of {account.cap.tokens} tokens")
    renews = f", renews {standing.renews_at:%Y-%m-%d %H:%M} UTC" if standing.renews_at else ""
    key = account.key
    told = f"{key.scope.value} {key.subject} {key.period.value}: {' and '.join(bounds)} left"
    return f"{told} (spent ${spent.dollars:f}, {spent.tokens} tokens{renews})"


def _amount(text: str) -> Decimal:
    try:
        return Decimal(text.removeprefix("$"))
    except InvalidOperation as error:
        raise BadAmountError(text) from error
