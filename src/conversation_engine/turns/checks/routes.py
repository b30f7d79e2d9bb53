"""`/models/{model}/test` over HTTP."""

from typing import Annotated

from fastapi import APIRouter

from conversation_engine.domains.llm.schemas import ModelCheckOut
from conversation_engine.infra.web.access import Caller, service_of
from conversation_engine.infra.web.once import OnceRoute
from conversation_engine.infra.web.rate_class import SAYS_SOMETHING
from conversation_engine.turns.checks.service import ModelCheckService

router = APIRouter(prefix="/models", tags=["models"], route_class=OnceRoute)

Checks = Annotated[ModelCheckService, service_of(ModelCheckService)]


@router.post("/{model:path}/test", openapi_extra=SAYS_SOMETHING)
async def test_model(model: str, caller: Caller, checks: Checks) -> ModelCheckOut:
    """Ask a model for a word and say precisely what is wrong if none comes. For admins, at their own cost."""
    return ModelCheckOut.of(await checks.check(model, caller))
