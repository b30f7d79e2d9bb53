"""`/limits` and `/budgets` over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query

from conversation_engine.domains.limits.rates import RateLimiter
from conversation_engine.domains.limits.refusals.service import KEPT_DAYS, RefusalBook
from conversation_engine.domains.limits.schemas import (
    AlertList,
    AlertOut,
    BudgetIn,
    BudgetOut,
    BudgetPage,
    LimitsOut,
    RefusalsOut,
)
from conversation_engine.domains.limits.service import MOST_PER_PAGE, BudgetService
from conversation_engine.domains.limits.types import BudgetId
from conversation_engine.infra.web.access import Caller, service_of
from conversation_engine.infra.web.once import OnceRoute

router = APIRouter(tags=["limits"], route_class=OnceRoute)

Rates = Annotated[RateLimiter, service_of(RateLimiter)]
Book = Annotated[RefusalBook, service_of(RefusalBook)]
Budgets = Annotated[BudgetService, service_of(BudgetService)]


@router.get("/limits")
async def get_limits(caller: Caller, rates: Rates, budgets: Budgets) -> LimitsOut:
    """What you may still do, and when there is more. Looking counts for nothing but `reads`."""
    return LimitsOut.of(await rates.look(caller), await budgets.look(caller.user_id, caller.role))


@router.get("/limits/refusals")
async def list_refusals(
    caller: Caller,
    book: Book,
    days: Annotated[int, Query(ge=1, le=KEPT_DAYS, description="How far to look back.")] = 7,
) -> RefusalsOut:
    """Requests that were refused for coming too often: by hour and rule, and by person. For admins.

    What other processes refused in the last ten seconds may be missing.
    """
    return RefusalsOut.of(await book.look(caller, days=days))


@router.get("/budgets")
async def list_budgets(
    caller: Caller,
    budgets: Budgets,
    *,
    cursor: Annotated[str | None, Query(max_length=300, description="`next` or `previous` of an earlier page.")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_PER_PAGE)] = 50,
) -> BudgetPage:
    """The budgets that were set, newest first. For admins. Those of the settings are not among them."""
    page = await budgets.list_of(caller, cursor=cursor, limit=limit)
    items = [BudgetOut.of_set(str(budget.id), standing) for budget, standing in page.items]
    return BudgetPage(items=items, next=page.next, previous=page.previous)


@router.put("/budgets")
async def put_budget(body: BudgetIn, caller: Caller, budgets: Budgets) -> BudgetOut:
    """Set the budget of a scope, subject and period, or change it. For admins. What was spent stays spent."""
    budget = await budgets.put(caller, body.key(), body.cap())
    budget_id = BudgetId(str(budget.id))
    return BudgetOut.of_set(budget_id, await budgets.get(caller, budget_id))


@router.get("/budgets/alerts")
async def list_alerts(
    caller: Caller, budgets: Budgets, limit: Annotated[int, Query(ge=1, le=MOST_PER_PAGE)] = 50
) -> AlertList:
    """Budgets that came near their end, and turns that were refused for them, newest first. For admins.

    Kept for CE_OUTBOX_DAYS.
    """
    return AlertList(items=[AlertOut.of(told) for told in await budgets.alerts(caller, limit=limit)])


@router.get("/budgets/{budget_id}")
async def get_budget(budget_id: str, caller: Caller, budgets: Budgets) -> BudgetOut:
    """One budget and how it stands. For admins."""
    return BudgetOut.of_set(budget_id, await budgets.get(caller, BudgetId(budget_id)))


@router.delete("/budgets/{budget_id}", status_code=204)
async def delete_budget(budget_id: str, caller: Caller, budgets: Budgets) -> None:
    """Bound it no more. For admins."""
    await budgets.remove(caller, BudgetId(budget_id))
