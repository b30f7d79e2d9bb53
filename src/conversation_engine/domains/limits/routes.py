"""`/limits` over HTTP."""

from typing import Annotated

from fastapi import APIRouter

from conversation_engine.domains.limits.rates import RateLimiter
from conversation_engine.domains.limits.schemas import LimitsOut
from conversation_engine.infra.web.access import Caller, service_of

router = APIRouter(tags=["limits"])

Rates = Annotated[RateLimiter, service_of(RateLimiter)]


@router.get("/limits")
async def get_limits(caller: Caller, rates: Rates) -> LimitsOut:
    """What you may still do, and when there is more. Looking counts for nothing but `reads`."""
    return LimitsOut.of(await rates.look(caller))
