"""Limits and faults as clients of the dialect hear of them."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from conversation_engine.domains.llm.service import LlmService
from conversation_engine.entrypoints.http.app import create_app
from conversation_engine.kernel.people import Role
from conversation_engine.testing import ScriptedModel
from tests.openai.conftest import Served

HELLO: Any = [{"role": "user", "content": "Hello"}]


class TestBudgets:
    async def test_a_spent_budget_is_a_quota_that_no_retry_refills(self, served: Served) -> None:
        headers = {"Authorization": f"Bearer {served.token('root', Role.ADMIN)}"}
        async with httpx2.AsyncClient(base_url=served.url, headers=headers, trust_env=False) as root:
            budget = {"scope": "user", "subject": "poor", "period": "total", "tokens": 1}
            made = (await root.put("/budgets", json=budget)).json()
            client = openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key=served.token("poor"))  # it repeats 429
            async with client:
                for ask in (
                    client.chat.completions.create(model="scripted/test", messages=HELLO),
                    client.responses.create(model="scripted/test", input="Hello"),
                    client.responses.create(model="scripted/test", input="Hello", store=False),
                ):
                    with pytest.raises(openai.RateLimitError) as caught:
                        await ask
                    assert caught.value.code == "insufficient_quota"
                    assert caught.value.response.headers["x-should-retry"] == "false"
            await root.delete(f"/budgets/{made['id']}")
        assert not served.model.requests


class TestRatesAndFaults:
    @pytest.fixture
    async def app(self, served: Served, sqlite_template: Path, tmp_path: Path) -> AsyncIterator[FastAPI]:
        """A server of its own, without a socket, that takes one message a minute."""
        shutil.copy(sqlite_template, tmp_path / "test.db")
        own = {"data_dir": tmp_path, "database_url": SecretStr(f"sqlite:///{tmp_path / 'test.db'}")}
        settings = served.settings.model_copy(update={**own, "rate_limits": "messages user 1/minute"})
        app = create_app(settings, providers={"scripted": ScriptedModel(), "short": ScriptedModel()})
        async with app.router.lifespan_context(app):
            yield app

    async def test_they_are_told_of_in_the_dialect(self, app: FastAPI, served: Served) -> None:
        headers = {"Authorization": f"Bearer {served.token('ada')}"}
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://x", headers=headers) as http:
            body = {"model": "scripted/test", "input": "Hello"}
            assert (await http.post("/v1/responses", json=body)).status_code == 200
            for path, kind in (("/v1/responses", "too_many_requests"), ("/v1/chat/completions", "rate_limit_error")):
                response = await http.post(path, json=body)
                error = response.json()["error"]
                assert (response.status_code, error["type"], error["code"]) == (429, kind, "rate_limit_exceeded")
                assert int(response.headers["retry-after"]) > 0
                assert "ratelimit" in response.headers
            app.state.services[LlmService] = None  # whatever breaks, it must not be told
            response = await http.get("/v1/models")
            error = response.json()["error"]
            assert (response.status_code, error["type"], error["code"]) == (500, "server_error", "server_error")
            assert "NoneType" not in response.text
