"""`/stats/failures` and `/stats/pace` over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query

from conversation_engine.infra.web.access import Caller, service_of
from conversation_engine.insights.calls.schemas import FailedCallOut, FailedCallPage, PaceList, PaceOut
from conversation_engine.insights.calls.service import CallService
from conversation_engine.insights.calls.types import MOST_CALLS, FailureFilter

router = APIRouter(prefix="/stats", tags=["stats"])

Calls = Annotated[CallService, service_of(CallService)]
Word = Annotated[str | None, Query(max_length=200)]


@router.get("/failures")
async def list_failures(
    caller: Caller,
    calls: Calls,
    *,
    search: Annotated[str | None, Query(max_length=200, description="In code, cause, model or user id.")] = None,
    reason: Word = None,
    cursor: Annotated[str | None, Query(max_length=300, description="`next` or `previous` of an earlier page.")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_CALLS)] = 50,
) -> FailedCallPage:
    """Model calls that failed, newest first, with the turns behind them. For admins."""
    page = await calls.failures(caller, FailureFilter(search=search, code=reason), cursor=cursor, limit=limit)
    items = [FailedCallOut.of(item) for item in page.items]
    return FailedCallPage(items=items, next=page.next, previous=page.previous)


@router.get("/pace")
async def get_pace(caller: Caller, calls: Calls, hours: Annotated[int, Query(ge=1, le=720)] = 24) -> PaceList:
    """How fast each model answered in the last hours. For admins."""
    return PaceList(items=[PaceOut.of(pace) for pace in await calls.pace(caller, hours=hours)])
