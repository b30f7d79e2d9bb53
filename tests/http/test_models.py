"""`/models` over HTTP."""

from collections.abc import Callable
from datetime import timedelta

import httpx2
from fastapi import FastAPI

from conversation_engine.domains.llm.errors import AuthenticationError
from conversation_engine.engine.settings import Settings
from conversation_engine.engine.wiring import make_tokens
from conversation_engine.kernel.clock import SystemClock
from conversation_engine.kernel.ids import UserId
from conversation_engine.kernel.people import Principal, Role
from conversation_engine.testing import Fail, ScriptedModel
from tests.http.scenes import problem_in


def root_at(app: FastAPI, settings: Settings) -> httpx2.AsyncClient:
    """An admin at the door."""
    principal = Principal(user_id=UserId("root"), role=Role.ADMIN)
    token = make_tokens(settings, SystemClock()).issue(principal, lifetime=timedelta(hours=1))
    headers = {"Authorization": f"Bearer {token}"}
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://engine.test", headers=headers)


class TestList:
    async def test_everybody_sees_what_there_is(self, ada: httpx2.AsyncClient) -> None:
        response = await ada.get("/models")
        assert response.status_code == 200
        models = {model["id"]: model for model in response.json()["items"]}
        assert models["scripted/test"]["is_default"]
        assert models["local"]["price"] == {"input": "0", "output": "0", "cached": None, "cache_write": None}
        assert models["openai/gpt-4o"]["context_tokens"] == 128_000
        assert models["openai/gpt-4o"]["output_limit_tokens"] == 16_384
        assert models["openai/gpt-4o"]["price"]["input"] == "2.5"
        assert "vision" in models["openai/gpt-4o"]["capabilities"]
        assert (models["openai/gpt-4o"]["is_usable"], models["openai/gpt-4o"]["unusable_reason"]) == (False, "no_key")


class TestTest:
    async def test_an_admin_hears_whether_a_model_answers(
        self, app: FastAPI, settings: Settings, model: ScriptedModel
    ) -> None:
        async with root_at(app, settings) as root:
            response = await root.post("/models/scripted/org/name:latest/test")
            assert response.status_code == 200
            body = response.json()
            assert (body["ok"], body["verdict"], body["model"]) == (True, "ok", "scripted/org/name:latest")
            assert model.requests[0].model == "org/name:latest"
            model.then(Fail(AuthenticationError("HTTP 401")))
            body = (await root.post("/models/scripted/m/test/")).json()
            assert (body["ok"], body["verdict"], body["cause"]) == (False, "wrong_key", "HTTP 401")

    async def test_it_is_on_record_and_paid_by_who_asks(self, app: FastAPI, settings: Settings) -> None:
        async with root_at(app, settings) as root:
            budget = {"scope": "role", "subject": "admin", "period": "day", "tokens": 1000}
            assert (await root.put("/budgets", json=budget)).status_code < 300
            assert (await root.post("/models/scripted/m/test")).json()["ok"]
            spent = (await root.get("/stats/cost", params={"by": "model"})).json()
            [row] = [row for row in spent["rows"] if row["key"] == "scripted/m"]
            assert row["calls"] == 1
            assert spent["conversations"]["count"] == 0
            [known] = (await root.get("/budgets")).json()["items"]
            assert known["spent_tokens"] == row["input_tokens"] + row["output_tokens"] > 0

    async def test_over_budget_nobody_is_asked(self, app: FastAPI, settings: Settings, model: ScriptedModel) -> None:
        async with root_at(app, settings) as root:
            budget = {"scope": "role", "subject": "admin", "period": "day", "tokens": 10}
            assert (await root.put("/budgets", json=budget)).status_code < 300
            body = (await root.post("/models/scripted/m/test")).json()
        assert (body["ok"], body["verdict"], body["cause"]) == (False, "over_budget", None)
        assert model.requests == []

    async def test_a_model_that_nobody_has_is_refused_by_name(self, app: FastAPI, settings: Settings) -> None:
        async with root_at(app, settings) as root:
            response = await root.post("/models/nobody/m/test")
            assert problem_in(response)["code"] == "unknown_model"

    async def test_others_may_not(self, bob: httpx2.AsyncClient, model: ScriptedModel) -> None:
        response = await bob.post("/models/scripted/m/test")
        assert (response.status_code, problem_in(response)["code"]) == (403, "role_forbidden")
        assert model.requests == []


class TestSelection:
    async def test_a_conversation_and_a_request_may_choose(
        self, ada: httpx2.AsyncClient, model: ScriptedModel, token_of: Callable[[str], str]
    ) -> None:
        conversation = (await ada.post("/conversations", json={"model": "scripted/mine"})).json()
        path = f"/conversations/{conversation['id']}/turns"
        await ada.post(path, json={"content": "hi"})
        await ada.post(path, json={"content": "hi", "model": "scripted/other"})
        assert [request.model for request in model.requests] == ["mine", "other"]
