"""`/metrics`: who may read it, and what it tells of requests."""

import asyncio
import re
import shutil
import socket
import subprocess
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI
from pydantic import SecretStr, ValidationError

from conversation_engine.engine.settings import Settings
from conversation_engine.entrypoints.http.app import create_app
from conversation_engine.testing import Pause, Say, ScriptedModel
from tests.http.scenes import EVENT_STREAM, Serve, ServedApp, new_conversation, problem_in

SHIPPED = Path(__file__).parents[2] / "deploy" / "prometheus"
TOKEN = "a token for Prometheus alone"
ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-", re.IGNORECASE)


@pytest.fixture
def database_url(sqlite_template: Path, tmp_path: Path) -> str:
    """No row matters here: one kind of database will do."""
    shutil.copy(sqlite_template, tmp_path / "test.db")
    return f"sqlite:///{tmp_path / 'test.db'}"


def caller(app: FastAPI, address: str = "127.0.0.1", **headers: str) -> httpx2.AsyncClient:
    """Somebody who comes from an address."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    transport = httpx2.ASGITransport(app=app, client=(address, 4711))
    return httpx2.AsyncClient(transport=transport, base_url="http://engine.test", headers=named)


async def told_to(client: httpx2.AsyncClient) -> str:
    response = await client.get("/metrics")
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert response.headers["cache-control"] == "no-store"
    return response.text


class TestWithoutATokenInTheSettings:
    @pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1"])
    async def test_this_machine_may_read_it(self, app: FastAPI, address: str) -> None:
        async with caller(app, address) as prometheus:
            assert "convo_processes 1.0" in await told_to(prometheus)

    @pytest.mark.parametrize("address", ["10.0.0.7", "192.168.1.2", "2001:db8::1"])
    async def test_nobody_else_may(self, app: FastAPI, address: str) -> None:
        async with caller(app, address) as stranger:
            response = await stranger.get("/metrics")
            assert (response.status_code, problem_in(response)["code"]) == (403, "metrics_forbidden")

    @pytest.mark.parametrize("header", ["x_forwarded_for", "forwarded", "x_real_ip", "via"])
    async def test_who_comes_through_a_proxy_is_not_on_this_machine(self, app: FastAPI, header: str) -> None:
        async with caller(app, **{header: "127.0.0.1"}) as stranger:
            assert (await stranger.get("/metrics")).status_code == 403

    async def test_a_users_token_opens_nothing(self, app: FastAPI, admin: httpx2.AsyncClient) -> None:
        async with caller(app, "10.0.0.7", authorization=admin.headers["authorization"]) as stranger:
            assert (await stranger.get("/metrics")).status_code == 403


class TestWithATokenInTheSettings:
    @pytest.fixture
    async def app(self, settings: Settings, model: ScriptedModel) -> AsyncIterator[FastAPI]:
        own = settings.model_copy(update={"metrics_token": SecretStr(TOKEN)})
        app = create_app(own, providers={"scripted": model})
        async with app.router.lifespan_context(app):
            yield app

    @pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
    async def test_who_has_it_may_read_from_anywhere(self, app: FastAPI, scheme: str) -> None:
        headers = {"authorization": f"{scheme} {TOKEN}", "x_forwarded_for": "10.0.0.7"}
        async with caller(app, "10.0.0.7", **headers) as prometheus:
            await told_to(prometheus)

    @pytest.mark.parametrize("given", ["", f"Bearer {TOKEN}x", "Bearer ", f"Basic {TOKEN}", "Bearer é"])
    async def test_nobody_may_without_it_not_even_from_this_machine(self, app: FastAPI, given: str) -> None:
        async with caller(app) as stranger:
            response = await stranger.get("/metrics", headers=[(b"authorization", given.encode())])
            assert (response.status_code, problem_in(response)["code"]) == (401, "metrics_token_required")
            assert TOKEN not in response.text


def test_a_token_that_can_be_guessed_is_refused() -> None:
    with pytest.raises(ValidationError, match="metrics_token"):
        Settings(metrics_token=SecretStr("short"))


class TestRequests:
    async def test_they_are_told_apart_by_the_routes_template_never_by_an_id(
        self, app: FastAPI, ada: httpx2.AsyncClient
    ) -> None:
        conversation = await new_conversation(ada)
        path = f"/conversations/{conversation['id']}"
        await ada.get(path)
        await ada.get(path + "/")
        await ada.get("/conversations/not-an-id")
        await ada.get("/v1/models/what-is-wrong-with-my-mother")
        await ada.get("/my-secret-page")
        await ada.request("BREW", "/healthz")
        await ada.post(path + "/turns", json={"content": "my mother's maiden name"})
        async with caller(app) as prometheus:
            page = await told_to(prometheus)
        counted = 'convo_http_requests_total{method="%s",route="%s",status="%s"}'
        template = "/conversations/{conversation_id}"
        assert f"{counted % ('GET', template, '2xx')} 2.0" in page
        assert f"{counted % ('GET', template, '4xx')} 1.0" in page
        assert f"{counted % ('POST', '/conversations', '2xx')} 1.0" in page
        assert f"{counted % ('GET', 'none', '4xx')} 1.0" in page
        assert f"{counted % ('other', '/healthz', '4xx')} 1.0" in page
        assert f'convo_http_request_duration_seconds_count{{route="{template}"}} 3.0' in page
        assert not ID.search(page)
        for written in ("ada", "mother", "secret", "not-an-id", "my-"):
            assert written not in page, written

    async def test_streams_are_counted_while_they_are_open(
        self, serve: Serve, settings: Settings, model: ScriptedModel
    ) -> None:
        served = await serve(settings)
        model.then(Say("one "), Pause(60))
        path = f"/conversations/{(await new_conversation(served.client))['id']}/turns"
        async with served.client.stream("POST", path, json={"content": "hi"}, headers=EVENT_STREAM) as response:
            lines = response.aiter_lines()
            await anext(lines)
            assert "convo_active_streams 1.0" in await told_to(served.client)
        async with asyncio.timeout(10):
            while "convo_active_streams 0.0" not in await told_to(served.client):
                await asyncio.sleep(0.01)
        page = await told_to(served.client)
        assert 'convo_http_requests_total{method="POST",route="/conversations/{conversation_id}/turns"' in page


@asynccontextmanager
async def prometheus_of(served: ServedApp, folder: Path) -> AsyncIterator[httpx2.AsyncClient]:
    """A Prometheus with the configuration that is shipped, but this server's address and less patience."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    shipped = (SHIPPED / "prometheus.yml").read_text()
    assert "127.0.0.1:8000" in shipped
    changed = shipped.replace("127.0.0.1:8000", f"127.0.0.1:{served.port}").replace("15s", "200ms")
    (folder / "prometheus.yml").write_text(changed)
    shutil.copy(SHIPPED / "alerts.yml", folder)
    command = ["prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--web.listen-address={address}"]
    process = await asyncio.create_subprocess_exec(
        *command, f"--storage.tsdb.path={folder / 'data'}", stdout=DEVNULL, stderr=DEVNULL
    )
    try:
        async with httpx2.AsyncClient(base_url=f"http://{address}", trust_env=False) as client:
            yield client
    finally:
        process.kill()
        await process.wait()


async def asked(prometheus: httpx2.AsyncClient, query: str) -> list[float]:
    """The values of an instant query; none while it is not up."""
    try:
        answer = await prometheus.get("/api/v1/query", params={"query": query})
    except httpx2.TransportError:
        return []
    return [float(one["value"][1]) for one in answer.json()["data"]["result"]] if answer.status_code == 200 else []


class TestPrometheusItself:
    @pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is missing: apt install prometheus")
    async def test_it_reads_them_with_the_configuration_and_the_rules_that_are_shipped(
        self, serve: Serve, settings: Settings, tmp_path: Path
    ) -> None:
        served = await serve(settings)
        path = f"/conversations/{(await new_conversation(served.client))['id']}/turns"
        for _ in range(3):
            await served.client.post(path, json={"content": "hi"}, headers=EVENT_STREAM)
        async with prometheus_of(served, tmp_path) as prometheus, asyncio.timeout(60):
            while await asked(prometheus, 'up{job="conversation-engine"}') != [1]:
                await asyncio.sleep(0.05)
            assert await asked(prometheus, 'sum(convo_turns_total{outcome="completed"})') == [3]
            assert await asked(prometheus, "convo_store_up") == [1]
            rules: list[dict[str, str]] = []
            while not rules or any(rule["health"] == "unknown" for rule in rules):  # not looked at yet
                groups = (await prometheus.get("/api/v1/rules")).json()["data"]["groups"]
                rules = [rule for group in groups for rule in group["rules"]]
                await asyncio.sleep(0.05)
            assert {(rule["health"], rule["state"]) for rule in rules} == {("ok", "inactive")}

    @pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is missing: apt install prometheus")
    async def test_promtool_has_nothing_to_complain_of(self, app: FastAPI, ada: httpx2.AsyncClient) -> None:
        await new_conversation(ada)
        async with caller(app) as prometheus:
            page = await told_to(prometheus)
        done = await asyncio.to_thread(
            subprocess.run, ["promtool", "check", "metrics"], input=page.encode(), capture_output=True, timeout=60
        )
        assert (done.returncode, done.stdout + done.stderr) == (0, b"")
