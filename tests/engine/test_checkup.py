"""What `convo doctor` finds beside models."""

import socket
from pathlib import Path

from pydantic import SecretStr
from sqlalchemy import text

from conversation_engine.domains.llm.types import TokenUsage
from conversation_engine.engine.checkup import (
    check_connections,
    check_jobs,
    check_model,
    check_place,
    check_valkey,
    check_warehouse,
)
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.engine.settings import Settings
from conversation_engine.infra.jobs.types import NewJob
from conversation_engine.testing import ScriptedModel
from tests.conftest import OpenEngine, ValkeyHandle
from tests.turns.scenes import rows

SENTINEL = "a-password-that-nobody-may-see"


def with_password(url: str) -> SecretStr:
    return SecretStr(url.replace("valkey://", f"valkey://somebody:{SENTINEL}@"))


class TestValkey:
    async def test_one_that_answers_says_its_version(self, valkey: ValkeyHandle) -> None:
        [found] = await check_valkey(Settings(valkey_url=SecretStr(valkey.url)))
        assert (found.what, found.is_well) == ("valkey", True)
        assert found.sentence.startswith("Valkey ")
        assert valkey.url.removeprefix("valkey://") in found.sentence

    async def test_one_that_is_not_there_says_what_to_do_and_what_happens_meanwhile(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            url = with_password(f"valkey://127.0.0.1:{free.getsockname()[1]}/0")
        [found] = await check_valkey(Settings(valkey_url=url))
        assert not found.is_well
        assert "CE_VALKEY_URL" in found.sentence
        assert "counts rates for itself" in found.sentence
        assert SENTINEL not in found.sentence

    async def test_one_that_does_not_let_us_in_is_not_well_and_keeps_the_password(self, valkey: ValkeyHandle) -> None:
        [found] = await check_valkey(Settings(valkey_url=with_password(valkey.url)))
        assert (found.is_well, SENTINEL in found.sentence) == (False, False)

    async def test_none_is_needed(self) -> None:
        assert await check_valkey(Settings()) == []


class TestInstallation:
    async def test_a_folder_that_can_be_written_to_and_one_that_is_not_there(self, tmp_path: Path) -> None:
        [found] = await check_place(Settings(data_dir=tmp_path))
        assert (found.is_well, "GB free" in found.sentence) == (True, True)
        assert await check_place(Settings(data_dir=tmp_path / "none")) == []

    async def test_connections_and_work_that_was_given_up(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(jobs_at_once=0)
        settings, database = engine.settings, engine.database
        found = await check_connections(database, settings)
        assert [one.is_well for one in found] == ([True] if "postgresql" in settings.resolved_database_url else [])
        greedy = settings.model_copy(update={"workers": 100})
        assert [one.is_well for one in await check_connections(database, greedy)] == [False] * len(found)
        [well] = await check_jobs(database, settings)
        assert well.is_well
        await database.write(lambda tx: engine.jobs.enqueue(tx, NewJob(kind="k", key="x", payload={})))
        await database.write(lambda tx: tx.execute(text("UPDATE jobs SET died_at = run_at")))
        [dead] = await check_jobs(database, settings)
        assert (dead.is_well, "1 were given up" in dead.sentence) == (False, True)

    async def test_a_warehouse_that_is_set_and_does_not_answer(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        assert await check_warehouse(engine.database, engine.settings) == []
        away = SecretStr("snowflake://a:b@c/db/s?host=127.0.0.1&port=1&protocol=http&login_timeout=1&network_timeout=1")
        [found] = await check_warehouse(engine.database, engine.settings.model_copy(update={"warehouse_url": away}))
        assert (found.what, found.is_well) == ("warehouse", False)


class TestModel:
    async def test_what_it_cost_is_on_record(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel(usage=TokenUsage(input_tokens=9, cached_tokens=0, output_tokens=1)))
        [finding] = await check_model(engine.llm, engine.database, "scripted/m")
        assert finding.is_well
        [call] = await rows(engine, "SELECT owner_id, model, input_tokens, output_tokens FROM llm_requests")
        assert call == {"owner_id": "local", "model": "m", "input_tokens": 9, "output_tokens": 1}

    async def test_a_database_that_takes_nothing_keeps_no_model_from_being_well(self, tmp_path: Path) -> None:
        engine = ConversationEngine(Settings(data_dir=tmp_path), providers={"scripted": ScriptedModel()})
        [finding] = await check_model(engine.llm, engine.database, "scripted/m")  # which has no tables yet
        assert finding.is_well
        await engine.database.aclose()
