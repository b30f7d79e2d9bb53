"""`GET /stats/cost`."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from conversation_engine.domains.llm.settings import PriceSetting
from conversation_engine.domains.llm.types import TokenUsage
from conversation_engine.engine.settings import Settings
from conversation_engine.engine.wiring import make_tokens
from conversation_engine.kernel.clock import SystemClock
from conversation_engine.kernel.ids import UserId
from conversation_engine.kernel.people import Principal, Role
from conversation_engine.testing import ScriptedModel
from tests.http.conftest import _client
from tests.http.scenes import new_conversation, problem_in


@pytest.fixture
def settings(settings: Settings) -> Settings:
    price = PriceSetting.model_validate({"input": "0.1", "output": "0.4"})
    return settings.model_copy(update={"model_prices": {"scripted/test": price}})


@pytest.fixture
async def root(app: FastAPI, settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    """An administrator at the door."""
    tokens = make_tokens(settings, SystemClock())
    principal = Principal(user_id=UserId("root"), role=Role.ADMIN)
    async for client in _client(app, tokens.issue(principal, lifetime=timedelta(hours=1))):
        yield client


async def talk(client: httpx2.AsyncClient) -> str:
    """A conversation with one turn."""
    conversation_id = str((await new_conversation(client))["id"])
    answered = await client.post(f"/conversations/{conversation_id}/turns", json={"content": "hi"})
    assert answered.status_code == 201
    return conversation_id


async def cost(client: httpx2.AsyncClient, **query: Any) -> Any:
    response = await client.get("/stats/cost", params=query)
    assert response.status_code == 200, response.text
    return response.json()


class TestGetCost:
    @pytest.fixture(autouse=True)
    def usage(self, model: ScriptedModel) -> None:
        model._usage = TokenUsage(input_tokens=1000, cached_tokens=100, output_tokens=50)

    async def test_it_shows_what_one_spent_oneself(self, ada: httpx2.AsyncClient, bob: httpx2.AsyncClient) -> None:
        conversation_id = await talk(ada)
        await talk(bob)
        found = await cost(ada, by="conversation")
        assert (found["by"], found["user_id"]) == ("conversation", "ada")
        [row] = found["rows"]
        assert (row["key"], row["calls"], row["cost"]) == (conversation_id, 1, "0.00012")
        assert (row["input_tokens"], row["cached_tokens"], row["output_tokens"]) == (1000, 100, 50)
        assert found["total"] == {name: value for name, value in row.items() if name != "key"}
        assert found["rest"]["calls"] == 0
        assert found["conversations"] == {
            "count": 1,
            "average": "0.00012",
            "highest": "0.00012",
            "target": "0.01",
            "over_target": 0,
        }

    async def test_others_spending_is_for_administrators(
        self, ada: httpx2.AsyncClient, bob: httpx2.AsyncClient, root: httpx2.AsyncClient
    ) -> None:
        await talk(ada)
        for query in ({"user_id": "ada"}, {"everybody": True}):
            refused = await bob.get("/stats/cost", params=query)
            assert (refused.status_code, problem_in(refused)["code"]) == (403, "cost_forbidden")
            assert (await cost(root, **query))["total"]["calls"] == 1
        assert (await cost(root))["total"]["calls"] == 0

    async def test_somebody_else_s_conversation_is_not_among_one_s_own(
        self, ada: httpx2.AsyncClient, bob: httpx2.AsyncClient
    ) -> None:
        conversation_id = await talk(ada)
        assert (await cost(bob, conversation_id=conversation_id))["total"]["calls"] == 0
        assert (await cost(ada, conversation_id=conversation_id))["total"]["calls"] == 1

    async def test_a_period(self, ada: httpx2.AsyncClient) -> None:
        await talk(ada)
        assert (await cost(ada, **{"from": "2020-01-01", "to": "2020-02-01"}))["total"]["calls"] == 0
        assert (await cost(ada, **{"from": "2020-01-01T00:00:00+02:00"}))["from"] == "2019-12-31T22:00:00Z"

    @pytest.mark.parametrize(
        ("query", "code"),
        [
            ({"from": "yesterday"}, "bad_period"),
            ({"from": "2026-01-01T10:00:00"}, "bad_period"),
            ({"from": "2026-01-02", "to": "2026-01-01"}, "bad_period"),
            ({"conversation_id": "1"}, "invalid_id"),
            ({"user_id": "a\x00b"}, "invalid_text"),
        ],
    )
    async def test_what_makes_no_sense_is_refused(
        self, root: httpx2.AsyncClient, query: dict[str, str], code: str
    ) -> None:
        refused = await root.get("/stats/cost", params=query)
        assert (refused.status_code, problem_in(refused)["code"]) == (422, code)

    async def test_what_a_deleted_conversation_cost_stays(self, ada: httpx2.AsyncClient) -> None:
        conversation_id = await talk(ada)
        assert (await ada.delete(f"/conversations/{conversation_id}")).status_code == 204
        found = await cost(ada, by="type")
        assert [(row["key"], row["cost"]) for row in found["rows"]] == [(None, "0.00012")]
