"""`/models` over HTTP."""

from typing import Annotated

from fastapi import APIRouter

from conversation_engine.domains.llm.schemas import ModelCheckOut, ModelList, ModelOut
from conversation_engine.domains.llm.service import LlmService
from conversation_engine.infra.web.access import Caller, service_of
from conversation_engine.infra.web.rate_class import SAYS_SOMETHING
from conversation_engine.kernel.people import Role, require_role

router = APIRouter(prefix="/models", tags=["models"])

Models = Annotated[LlmService, service_of(LlmService)]


@router.get("")
async def list_models(caller: Caller, models: Models) -> ModelList:
    """Which models there are, what they can do and cost, and which can be asked now.

    Others can be named too: every provider answers for `PROVIDER/ANYTHING`.
    """
    return ModelList(items=[ModelOut.of(listing) for listing in await models.models()])


@router.post("/{model:path}/test", openapi_extra=SAYS_SOMETHING)
async def test_model(model: str, caller: Caller, models: Models) -> ModelCheckOut:
    """Ask a model for a word and say precisely what is wrong if none comes. For admins: it costs a small model call."""
    require_role(caller, Role.ADMIN)
    return ModelCheckOut.of(await models.check(model))
