"""What tests of documents have in common."""

from typing import Any

from sqlalchemy import text

from conversation_engine.domains.retrieval.types import (
    CollectionId,
    Document,
    Hit,
    NewCollection,
    NewDocument,
    SearchOutcome,
    SearchRequest,
)
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.kernel.ids import UserId
from conversation_engine.kernel.people import Principal, Role

ADA = Principal(user_id=UserId("ada"), role=Role.STUDENT)
BOB = Principal(user_id=UserId("bob"), role=Role.STUDENT)
TEACHER = Principal(user_id=UserId("teacher"), role=Role.TEACHER)
ADMIN = Principal(user_id=UserId("root"), role=Role.ADMIN)


async def add(
    engine: ConversationEngine, content: str | bytes, *, caller: Principal = ADA, name: str = "note.md", **fields: Any
) -> Document:
    """Upload a file and wait until nothing more will happen to it."""
    raw = content.encode() if isinstance(content, str) else content
    uploaded = await engine.retrieval.add(NewDocument(name=name, content=raw, **fields), caller=caller)
    await engine.jobs.drain()
    return await engine.retrieval.get(uploaded.document.id, caller=caller)


async def collection(engine: ConversationEngine, name: str, *, caller: Principal = ADA, **fields: Any) -> CollectionId:
    """A new collection."""
    return (await engine.retrieval.create_collection(NewCollection(name=name, **fields), caller=caller)).id


async def search(engine: ConversationEngine, query: str, *, caller: Principal = ADA, **fields: Any) -> SearchOutcome:
    """What somebody finds."""
    return await engine.retrieval.search(SearchRequest(caller=caller, query=query, **fields))


async def found(engine: ConversationEngine, query: str, *, caller: Principal = ADA, **fields: Any) -> list[str]:
    """The names of the documents that somebody finds, best first."""
    return [hit.chunk.document_name for hit in (await search(engine, query, caller=caller, **fields)).hits]


def told(hits: list[Hit] | Any) -> list[tuple[Any, ...]]:
    """What can be compared of hits in two databases, where ids differ."""
    return [(hit.chunk.document_name, hit.chunk.ordinal, hit.score, hit.lexical, hit.dense) for hit in hits]


async def rows(engine: ConversationEngine, table: str) -> int:
    """How many rows a table has."""
    count = await engine.database.read(lambda tx: tx.scalar(text(f"SELECT count(*) FROM {table}")))
    return int(count or 0)
