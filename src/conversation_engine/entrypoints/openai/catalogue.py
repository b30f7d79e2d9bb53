"""`/v1/models`."""

from collections.abc import Sequence
from typing import Annotated, Final, Literal

from pydantic import BaseModel, Field

from conversation_engine.domains.llm.embeddings.service import EmbeddingService
from conversation_engine.domains.llm.service import LlmService
from conversation_engine.entrypoints.openai.fields import TAGS
from conversation_engine.infra.web.access import Caller, service_of
from conversation_engine.infra.web.room import Room

router = Room("/v1/models", tags=TAGS)
CREATED: Final = 0
"""Nobody tells us when a model was made; the dialect wants a number."""
Models = Annotated[LlmService, service_of(LlmService)]
Embeddings = Annotated[EmbeddingService, service_of(EmbeddingService)]


class ModelObject(BaseModel):
    """A model."""

    id: str
    object: Literal["model"] = "model"
    created: int = Field(CREATED, description="0: services do not say when a model was made.")
    owned_by: str = Field(description="The service that answers for it.")


class ModelObjects(BaseModel):
    """Every model that somebody has told us of; others can be named too."""

    object: Literal["list"] = "list"
    data: Sequence[ModelObject]


@router.get("")
async def list_models_v1(caller: Caller, models: Models, embeddings: Embeddings) -> ModelObjects:
    """The models that can be named, that of embeddings last."""
    data = [ModelObject(id=one.card.name, owned_by=one.card.provider) for one in await models.models()]
    if embeddings.model is not None:
        data.append(_embedding_model(embeddings.model))
    return ModelObjects(data=data)


@router.get("/{model:path}")
async def get_model_v1(model: str, caller: Caller, models: Models, embeddings: Embeddings) -> ModelObject:
    """One of them, or another that a configured service may have."""
    if model == embeddings.model:
        return _embedding_model(model)
    card = models.card(model)
    return ModelObject(id=card.name, owned_by=card.provider)


def _embedding_model(name: str) -> ModelObject:
    return ModelObject(id=name, owned_by=name.partition("/")[0])
