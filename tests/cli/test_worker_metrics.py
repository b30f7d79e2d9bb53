"""What Prometheus reads of `convo worker`."""

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from pydantic import SecretStr

from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.engine.settings import Settings
from conversation_engine.entrypoints.worker.metrics import MetricsPage
from conversation_engine.entrypoints.worker.process import work
from conversation_engine.infra.observability.errors import MetricsPortTakenError
from conversation_engine.testing import ScriptedModel
from tests.conftest import settings_over, until
from tests.turns.scenes import answered, ask, begin

TOKEN = "a token for Prometheus alone"


@pytest.fixture
def own_settings(sqlite_template: Path, tmp_path: Path) -> Settings:
    shutil.copy(sqlite_template, tmp_path / "test.db")
    return settings_over(f"sqlite:///{tmp_path / 'test.db'}", tmp_path)


@pytest.fixture(params=[None, TOKEN], ids=["loopback", "token"])
async def engine(own_settings: Settings, request: pytest.FixtureRequest) -> AsyncIterator[ConversationEngine]:
    token = request.param and SecretStr(request.param)
    settings = own_settings.model_copy(update={"metrics_token": token})
    async with ConversationEngine(settings, providers={"scripted": ScriptedModel()}) as opened:
        yield opened


class TestThePage:
    async def test_it_tells_what_the_process_did_to_those_who_may_know(self, engine: ConversationEngine) -> None:
        await answered(engine, await ask(engine, (await begin(engine)).id))
        has_token = engine.settings.metrics_token is not None
        async with MetricsPage(engine).listening(0) as port, httpx2.AsyncClient(trust_env=False) as client:
            client.base_url = httpx2.URL(f"http://127.0.0.1:{port}")
            stranger = await client.get("/metrics")
            assert stranger.status_code == (401 if has_token else 200)
            client.headers["authorization"] = f"Bearer {TOKEN}"
            page = await client.get("/metrics")
            assert page.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
            assert 'convo_turns_total{outcome="completed",type="general"} 1.0' in page.text
            assert (await client.get("/conversations")).status_code == 404
            assert (await client.post("/metrics")).status_code == 405
            client.headers["authorization"] = f"Bearer {TOKEN}x"
            assert (await client.get("/metrics")).status_code == (401 if has_token else 200)

    async def test_rubbish_and_long_heads_are_hung_up_on(self, engine: ConversationEngine) -> None:
        async with MetricsPage(engine).listening(0) as port:
            for rubbish in (b"\xff\r\n\r\n", b"GET /metrics HTTP/1.1\r\nx: " + b"x" * 100_000):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(rubbish)
                answer = b""
                try:
                    answer = await asyncio.wait_for(reader.read(), 10)
                except ConnectionError:  # hung up on while it was still talking
                    pass
                assert b" 200 " not in answer
                writer.close()


async def test_a_worker_answers_where_the_settings_say(own_settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = own_settings.model_copy(update={"model": "local", "worker_metrics_port": port})
        with pytest.raises(MetricsPortTakenError):
            await work(settings)
    working = asyncio.create_task(work(settings))

    def is_told() -> bool:
        with socket.socket() as trying:
            return trying.connect_ex(("127.0.0.1", port)) == 0

    await until(is_told)
    async with httpx2.AsyncClient(trust_env=False) as client:
        page = await client.get(f"http://127.0.0.1:{port}/metrics")
    assert "convo_processes 1.0" in page.text
    working.cancel()
    await asyncio.wait([working])
