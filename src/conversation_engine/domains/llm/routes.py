"""`/models` over HTTP."""

from typing import Annotated

from fastapi import APIRouter

from conversation_engine.domains.llm.schemas import ModelList, ModelOut
from conversation_engine.domains.llm.service import LlmService
from conversation_engine.infra.web.access import Caller, service_of

router = APIRouter(prefix="/models", tags=["models"])

Models = Annotated[LlmService, service_of(LlmService)]


@router.get("")
async def list_models(caller: Caller, models: Models) -> ModelList:
    """Which models there are, what they can do and cost, and which can be asked now.

    Others can be named too: every provider answers for `PROVIDER/ANYTHING`.
    """
    return ModelList(items=[ModelOut.of(listing) for listing in await models.models()])
