"""Migration 0009: the table of model calls is rebuilt, and no message loses the call that made it."""

from typing import Any

import pytest
from alembic import command
from sqlalchemy import delete, insert, select, text

from conversation_engine.engine.metadata import schema
from conversation_engine.engine.migrating import upgrade
from conversation_engine.engine.settings import Settings
from conversation_engine.infra.db.database import Tx
from conversation_engine.infra.db.opening import open_database
from conversation_engine.infra.ids import new_id
from tests.db.test_message_tree import NOW, conversations, messages, migrate

calls = schema().tables["llm_requests"]
LINKS = select(messages.c.sequence_number, messages.c.llm_request_id).order_by(messages.c.sequence_number)

COUNTED = select(messages.c.counted_tokens).order_by(messages.c.sequence_number)


@pytest.fixture
def database_url(empty_database_url: str) -> str:
    """Without a table yet."""
    return empty_database_url


def converse(tx: Tx) -> list[str]:
    """A conversation as 0008 had it: a question, a reply and the call that made it."""
    talk, made = new_id(), new_id()
    owned = {"owner_id": "ada", "created_at": NOW}
    tx.execute(
        insert(conversations).values(id=talk, type="general", status="active", metadata={}, updated_at=NOW, **owned)
    )
    call = {"attempt": 1, "provider": "p", "model": "m", "parameters": {}, "status": "completed", "latency_ms": 1}
    tx.execute(insert(calls).values(id=made, conversation_id=talk, turn_id=new_id(), **call, **owned))
    said = {"content": "hi", "content_format": "text", "status": "complete", "metadata": {}, "conversation_id": talk}
    for number, role in enumerate(("user", "assistant"), start=1):
        link = {"llm_request_id": made if role == "assistant" else None, "token_count": 9}
        tx.execute(insert(messages).values(id=new_id(), role=role, sequence_number=number, **link, **said, **owned))
    return [talk, made]


async def links(database: Any) -> list[tuple[int, str | None]]:
    found: list[tuple[int, str | None]] = await database.read(lambda tx: [tuple(row) for row in tx.execute(LINKS)])
    return found


class TestUpgrade:
    async def test_replies_keep_their_calls_on_the_way_there_and_back(self, settings: Settings) -> None:
        database = open_database(settings.resolved_database_url, settings)
        try:
            await database.migrate(lambda tx: migrate(tx, command.upgrade, "0008"))
            talk, made = await database.write(converse)
            await upgrade(database)
            assert await links(database) == [(1, None), (2, made)]
            assert await database.read(lambda tx: list(tx.scalars(COUNTED))) == [9, None]  # a reply's is its provider's
            await database.migrate(lambda tx: migrate(tx, command.downgrade, "0008"))
            assert await links(database) == [(1, None), (2, made)]
            await upgrade(database)
            await database.write(lambda tx: tx.execute(delete(conversations).where(conversations.c.id == talk)))
            assert await database.read(lambda tx: tx.scalar(text("SELECT count(*) FROM llm_requests"))) == 1
        finally:
            await database.aclose()
