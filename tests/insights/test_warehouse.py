"""Every message is in the warehouse once, as it is; what is gone here is gone there."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import snowflake.connector
from pydantic import SecretStr

from conversation_engine.domains.conversations.types import MessageRole, NewConversation, NewMessage
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.engine.settings import Settings
from conversation_engine.infra.db.opening import open_database
from conversation_engine.infra.ids import new_id
from conversation_engine.infra.jobs.types import Job
from conversation_engine.insights.warehouse.errors import (
    BadWarehouseError,
    WarehouseFailedError,
    WarehouseMissingError,
)
from conversation_engine.insights.warehouse.repo import ChangeRepo
from conversation_engine.insights.warehouse.service import WarehouseFeed
from conversation_engine.insights.warehouse.snowflake import PATIENCE, SnowflakeWarehouse, parsed
from conversation_engine.insights.warehouse.types import Batch
from conversation_engine.kernel.ids import ConversationId, MessageId
from conversation_engine.testing import ScriptedModel
from conversation_engine.turns.types import NewTurn
from tests.conftest import OpenEngine
from tests.people.scenes import ADA

SAID = "It's \"quoted\" \\ 潮汐 🌊 %s {x}\n'; DROP TABLE messages; --"
DEEP = {"a": {"b": [1, None, {"c": "d'"}]}, "ä": 1.5}
JOB = Job(id="j", kind="feed_warehouse", key="all", payload={}, attempts=1, generation=1)


def answers(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def fakesnow_port() -> Iterator[int]:
    """fakesnow's server, in a process of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "fakesnow", "-s", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    give_up_at = time.monotonic() + 60
    while not answers(port):
        assert time.monotonic() < give_up_at
        assert server.poll() is None
        time.sleep(0.05)
    yield port
    server.kill()
    server.wait()


@pytest.fixture
def url(fakesnow_port: int) -> SecretStr:
    """A schema of one's own."""
    name = "s" + new_id().replace("-", "")
    place = f"host=127.0.0.1&port={fakesnow_port}&protocol=http"
    return SecretStr(f"snowflake://fake:snow@fakesnow/{name}/conversations?{place}")


@pytest.fixture
async def unwatched(settings: Settings) -> AsyncIterator[None]:
    """Databases are used again, and triggers are no rows."""
    yield
    database = open_database(settings.resolved_database_url, settings)
    await database.migrate(ChangeRepo().unwatch)
    await database.aclose()


@pytest.fixture
def sqlite_only(settings: Settings) -> None:
    """What has nothing to do with the kind of database."""
    if "sqlite" not in settings.resolved_database_url:
        pytest.skip("nothing of it depends on the database")


def there(url: SecretStr) -> dict[str, list[dict[str, Any]]]:
    """What the warehouse has, asked by somebody else."""
    options, schema = parsed(url.get_secret_value())
    with snowflake.connector.connect(**PATIENCE, **options) as connection, connection.cursor() as cursor:
        found = {}
        for table, key in (("sessions", "session_id"), ("message_history", "timestamp, message_id")):
            cursor.execute(f"SELECT * FROM {schema}.{table} ORDER BY {key}")
            names = [column.name.lower() for column in cursor.description]
            rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
            variants = ("content", "metadata", "context")
            found[table] = [{k: json.loads(v) if k in variants else v for k, v in row.items()} for row in rows]
        return found


async def database_of(url: SecretStr) -> None:
    options, schema = parsed(url.get_secret_value())
    del options["database"], options["schema"]
    with snowflake.connector.connect(**PATIENCE, **options) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE IF NOT EXISTS {schema.partition('.')[0]}")


async def talk(engine: ConversationEngine) -> ConversationId:
    new = NewConversation(owner_id=ADA.user_id, title=SAID, metadata=DEEP)
    conversation = await engine.conversations.create(new)
    turn = await engine.turns.submit(NewTurn(conversation_id=conversation.id, owner_id=ADA.user_id, content=SAID))
    await engine.turns.wait(turn)
    said = NewMessage(id=MessageId(new_id()), role=MessageRole.ASSISTANT, content={"rows": [DEEP]}, metadata=DEEP)
    await engine.conversations.add_message(conversation.id, said, owner_id=ADA.user_id)
    return conversation.id


@pytest.mark.usefixtures("unwatched")
class TestFeed:
    async def test_what_is_said_deleted_and_erased_is_carried(self, open_engine: OpenEngine, url: SecretStr) -> None:
        await database_of(url)
        engine = await open_engine(ScriptedModel(), warehouse_url=url, jobs_at_once=0, warehouse_batch=3)
        feed = engine.insights.warehouse
        before = await talk(engine)
        with pytest.raises(WarehouseMissingError):
            await feed.sync()
        await feed.init()
        await feed.init()
        assert (await feed.standing()).waiting == 0, "what was before is carried by `sync --all`"
        first = await talk(engine)
        assert (await feed.standing()).waiting == 4
        assert (await feed.sync()).waiting == 0
        found = there(url)
        [session] = found["sessions"]
        assert (session["session_id"], session["user_id"]) == (first, "ada")
        assert (session["context"]["title"], session["context"]["metadata"]) == (SAID, DEEP)
        messages = found["message_history"]
        assert [(one["role"], one["content"]) for one in messages] == [
            ("user", SAID),
            ("assistant", SAID),
            ("assistant", {"rows": [DEEP]}),
        ]
        assert {**messages[2]["metadata"], "engine": None} == {**DEEP, "engine": None}
        stored = (await engine.conversations.list_messages(first, owner_id=ADA.user_id)).items
        assert [one["message_id"] for one in messages] == [one.id for one in stored]
        assert [one["timestamp"] for one in messages] == [one.created_at for one in stored]

        await feed.sync(is_everything=True)
        found = there(url)
        assert {one["session_id"] for one in found["sessions"]} == {before, first}
        assert len(found["message_history"]) == 6
        assert await feed.counts() == (2, 6)

        await engine.turns.delete_message(first, stored[2].id, owner_id=ADA.user_id)
        await engine.records.erase_conversation(ADA, before)
        await feed.sync()
        found = there(url)
        assert [one["session_id"] for one in found["sessions"]] == [first]
        assert [one["message_id"] for one in found["message_history"]] == [one.id for one in stored[:2]]
        await engine.records.erase(ADA, ADA.user_id)
        await feed.sync()
        assert there(url) == {"sessions": [], "message_history": []}

        await feed.switch_off()
        await talk(engine)
        standing = await feed.standing()
        assert (standing.is_watched, standing.waiting) == (False, 0)

    @pytest.mark.usefixtures("sqlite_only")
    async def test_who_dies_before_it_is_noted_carries_the_same_again(
        self, open_engine: OpenEngine, url: SecretStr
    ) -> None:
        await database_of(url)
        engine = await open_engine(ScriptedModel(), warehouse_url=url, jobs_at_once=0)
        await engine.insights.warehouse.init()
        talked = await talk(engine)
        doomed = WarehouseFeed(
            engine.database, warehouse=_Dying(SnowflakeWarehouse(url)), jobs=engine.jobs, seconds=0, batch=2
        )
        with pytest.raises(Died):
            await doomed(JOB)
        await doomed.aclose()
        assert (await engine.insights.warehouse.standing()).waiting == 4, "carried, and not noted"
        assert len(there(url)["sessions"]) + len(there(url)["message_history"]) == 2
        await engine.conversations.rename(talked, "another", owner_id=ADA.user_id)
        living = WarehouseFeed(
            engine.database, warehouse=SnowflakeWarehouse(url), jobs=engine.jobs, seconds=0, batch=500
        )
        await living(JOB)
        await living.aclose()
        found = there(url)
        assert len(found["message_history"]) == 3
        assert [one["context"]["title"] for one in found["sessions"]] == ["another"]

    @pytest.mark.usefixtures("sqlite_only")
    async def test_what_changes_while_it_is_carried_is_carried_again(
        self, open_engine: OpenEngine, url: SecretStr
    ) -> None:
        await database_of(url)
        engine = await open_engine(ScriptedModel(), warehouse_url=url, jobs_at_once=0)
        await engine.insights.warehouse.init()
        talked = await talk(engine)

        async def meanwhile() -> None:
            await engine.conversations.rename(talked, "meanwhile", owner_id=ADA.user_id)

        feed = WarehouseFeed(
            engine.database, warehouse=_Slow(SnowflakeWarehouse(url), meanwhile), jobs=engine.jobs, seconds=0, batch=500
        )
        await feed(JOB)
        await feed.aclose()
        assert [one["context"]["title"] for one in there(url)["sessions"]] == ["meanwhile"]

    @pytest.mark.usefixtures("sqlite_only")
    async def test_a_warehouse_that_is_away_keeps_nothing_from_being_said(self, open_engine: OpenEngine) -> None:
        away = SecretStr("snowflake://fake:snow@fakesnow/db/s?host=127.0.0.1&port=1&protocol=http")
        engine = await open_engine(ScriptedModel(), warehouse_url=away, jobs_at_once=0)
        feed = engine.insights.warehouse
        await engine.database.migrate(feed._repo.watch)
        feed._warehouse._options |= {"login_timeout": 1, "network_timeout": 1}
        await talk(engine)
        with pytest.raises(WarehouseFailedError):
            await feed(JOB)
        assert (await feed.standing()).waiting == 4


class TestOff:
    @pytest.mark.usefixtures("sqlite_only")
    async def test_nothing_is_noted_and_nothing_is_loaded(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel())
        await talk(engine)
        standing = await engine.insights.warehouse.standing()
        assert (standing.is_watched, standing.waiting) == (False, 0)
        with pytest.raises(WarehouseMissingError):
            await engine.insights.warehouse.sync()

    @pytest.mark.parametrize(
        "url",
        [
            "postgres://a@b/c",
            "snowflake://u:p@account",
            "snowflake://u:p@account/db/sch;ema",
            "snowflake://u:p@account/db/s?insecure=1",
            "snowflake://u:p@account/db/s?port=many",
        ],
    )
    def test_an_address_that_is_none_is_refused(self, url: str) -> None:
        with pytest.raises(BadWarehouseError):
            parsed(url)

    def test_an_address_says_everything(self) -> None:
        options, schema = parsed("snowflake://u%40x:p%2F@acc-1/db?warehouse=w&role=r")
        assert schema == "db.conversations"
        assert options.pop("database") == "db"
        assert options.pop("schema") == "conversations"
        assert options == {"account": "acc-1", "user": "u@x", "password": "p/", "warehouse": "w", "role": "r"}


class Died(BaseException):
    """What a process hears last."""


class _Dying:
    """Dies after its first batch."""

    def __init__(self, inner: SnowflakeWarehouse) -> None:
        self._inner = inner
        self.aclose, self.prepare, self.count = inner.aclose, inner.prepare, inner.count

    async def carry(self, batch: Batch) -> None:
        await self._inner.carry(batch)
        raise Died


class _Slow:
    """Something happens once after a batch was read."""

    def __init__(self, inner: SnowflakeWarehouse, meanwhile: Any) -> None:
        self._inner, self._meanwhile = inner, meanwhile
        self.aclose, self.prepare, self.count = inner.aclose, inner.prepare, inner.count

    async def carry(self, batch: Batch) -> None:
        if self._meanwhile is not None:
            meanwhile, self._meanwhile = self._meanwhile, None
            await meanwhile()
        await self._inner.carry(batch)
