"""The one list of routers of the dialect."""

from fastapi import APIRouter

from conversation_engine.entrypoints.openai import catalogue, chat, conversations, embeddings, responses

router = APIRouter(prefix="/v1", tags=["openai"])
for _part in (responses, chat, conversations, embeddings, catalogue):
    router.include_router(_part.router)
