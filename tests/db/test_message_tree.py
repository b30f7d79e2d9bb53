"""Migration 0003: what was said before there was a tree is one line, and nothing of it is lost."""

from datetime import UTC, datetime
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import insert, select, update

from conversation_engine.engine.metadata import schema
from conversation_engine.engine.migrating import MIGRATIONS, upgrade
from conversation_engine.engine.settings import Settings
from conversation_engine.infra.db.database import ConstraintViolation, Database, Tx
from conversation_engine.infra.db.opening import open_database
from conversation_engine.infra.ids import new_id

NOW = datetime(2026, 1, 1, tzinfo=UTC)
conversations, messages = schema().tables["conversations"], schema().tables["messages"]


@pytest.fixture
def database_url(empty_database_url: str) -> str:
    """Without a table yet."""
    return empty_database_url


def migrate(tx: Tx, verb: Any, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = tx
    verb(config, revision)


def converse(tx: Tx, count: int) -> list[str]:
    """A conversation as 0002 had it, whose messages are stored in no order, with a parent here and there."""
    talk, ids = new_id(), [new_id() for _ in range(count)]
    tx.execute(
        insert(conversations).values(
            id=talk, owner_id="ada", type="general", status="active", metadata={}, created_at=NOW, updated_at=NOW
        )
    )
    for number in sorted(range(count), key=lambda number: -number):
        said = {"role": "user", "content": "hi", "content_format": "text", "status": "complete", "metadata": {}}
        place = {"conversation_id": talk, "owner_id": "ada", "sequence_number": number + 1, "created_at": NOW}
        parent_id = ids[0] if number == 2 else None
        tx.execute(insert(messages).values(id=ids[number], parent_id=parent_id, **said, **place))
    return [talk, *ids]


async def line_of(database: Database, talk: str) -> tuple[str | None, list[tuple[str, str | None]]]:
    def work(tx: Tx) -> Any:
        leaf = tx.scalar(select(conversations.c.active_leaf_id).where(conversations.c.id == talk))
        said = select(messages.c.id, messages.c.parent_id).where(messages.c.conversation_id == talk)
        return leaf, [tuple(row) for row in tx.execute(said.order_by(messages.c.sequence_number))]

    found: tuple[str | None, list[tuple[str, str | None]]] = await database.read(work)
    return found


class TestUpgrade:
    async def test_messages_follow_each_other_in_their_order(self, settings: Settings) -> None:
        database = open_database(settings.resolved_database_url, settings)
        try:
            await database.migrate(lambda tx: migrate(tx, command.upgrade, "0002"))
            talks = await database.write(lambda tx: [converse(tx, count) for count in (0, 1, 5)])
            await upgrade(database)
            for talk, *ids in talks:
                leaf, line = await line_of(database, talk)
                assert leaf == (ids[-1] if ids else None)
                assert line == list(zip(ids, [None, *ids[:-1]], strict=False))
            await database.migrate(lambda tx: migrate(tx, command.downgrade, "0002"))
            await upgrade(database)
            assert len((await line_of(database, talks[2][0]))[1]) == 5
        finally:
            await database.aclose()

    async def test_the_database_itself_refuses_a_dangling_child(self, settings: Settings) -> None:
        database = open_database(settings.resolved_database_url, settings)
        try:
            await upgrade(database)
            _, first, _ = await database.write(lambda tx: converse(tx, 2))
            orphan = update(messages).where(messages.c.id == first).values(parent_id=new_id())
            with pytest.raises(ConstraintViolation):
                await database.write(lambda tx: tx.execute(orphan))
        finally:
            await database.aclose()
