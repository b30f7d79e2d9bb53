"""What `convo doctor` finds beside models."""

import socket
from pathlib import Path

from pydantic import SecretStr

from conversation_engine.domains.llm.types import TokenUsage
from conversation_engine.engine.checkup import check_model, check_valkey
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.engine.settings import Settings
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
