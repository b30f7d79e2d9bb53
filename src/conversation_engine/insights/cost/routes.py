"""`/stats/cost` over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query

from conversation_engine.infra.web.access import Caller, service_of
from conversation_engine.insights.cost.period import instant_of
from conversation_engine.insights.cost.schemas import CostReportOut
from conversation_engine.insights.cost.service import CostService
from conversation_engine.insights.cost.types import MOST_GROUPS, CostGroup
from conversation_engine.kernel.ids import UserId

router = APIRouter(prefix="/stats", tags=["stats"])

Costs = Annotated[CostService, service_of(CostService)]
FROM = Query(alias="from", description="A day (UTC), or an instant with a time zone: 2026-01-31T12:00:00Z.")
TO = Query(alias="to", description="As `from`; not included. Unset: now.")


@router.get("/cost")
async def get_cost(
    caller: Caller,
    costs: Costs,
    *,
    by: CostGroup = CostGroup.DAY,
    start: Annotated[str | None, FROM] = None,
    end: Annotated[str | None, TO] = None,
    user_id: Annotated[str | None, Query(description="Somebody else's spending: administrators only.")] = None,
    everybody: Annotated[bool, Query(description="Everybody's spending: administrators only.")] = False,
    conversation_id: Annotated[str | None, Query(description="Only this conversation's.")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_GROUPS)] = 100,
) -> CostReportOut:
    """What was spent, by day, model, conversation, type or user: yours, or for administrators anybody's.

    Days are UTC days. Without `from` it is the 30 days before `to`. Every model call counts, whatever became of its
    turn, its message or its conversation.
    """
    question = costs.question(
        by,
        user_id=None if everybody else UserId(user_id or caller.user_id),
        conversation_id=conversation_id,
        start=None if start is None else instant_of(start),
        end=None if end is None else instant_of(end),
        limit=limit,
    )
    return CostReportOut.of(await costs.report(question, asked_by=caller))
