"""The one list of routers of the dialect; what is asked for most stands first."""

from conversation_engine.entrypoints.openai import catalogue, chat, conversations, embeddings, responses

routers = (responses.router, chat.router, conversations.router, embeddings.router, catalogue.router)
