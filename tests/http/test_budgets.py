"""Budgets at the door."""

from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from conversation_engine.testing import ScriptedModel
from tests.http.scenes import EVENT_STREAM, MISSING_ID, new_conversation, problem_in
from tests.http.world import people


@pytest.fixture
async def root(app: FastAPI) -> httpx2.AsyncClient:
    """An admin."""
    return (await people(app))["root"]


async def put(root: httpx2.AsyncClient, **body: Any) -> dict[str, Any]:
    answer = await root.put("/budgets", json={"scope": "user", "subject": "ada", "period": "day", **body})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def say(client: httpx2.AsyncClient, **options: Any) -> httpx2.Response:
    path = f"/conversations/{(await new_conversation(client))['id']}/turns"
    return await client.post(path, json={"content": "hi", "max_tokens": 20}, **options)


class TestTurns:
    @pytest.mark.parametrize("headers", [{}, EVENT_STREAM])
    async def test_over_budget_is_402_and_no_model_is_called(
        self, root: httpx2.AsyncClient, ada: httpx2.AsyncClient, model: ScriptedModel, headers: dict[str, str]
    ) -> None:
        await put(root, tokens=20)
        refused = await say(ada, headers=headers)
        problem = problem_in(refused)
        assert (refused.status_code, problem["code"]) == (402, "over_budget")
        assert (problem["scope"], problem["left_tokens"], problem["left_dollars"]) == ("user", 20, None)
        assert problem["renews_at"].endswith("T00:00:00+00:00")
        assert model.requests == []

    async def test_somebody_else_is_not_bounded(self, root: httpx2.AsyncClient, bob: httpx2.AsyncClient) -> None:
        await put(root, tokens=20)
        assert (await say(bob)).status_code == 201


class TestAlerts:
    async def test_they_are_listed_newest_first(self, root: httpx2.AsyncClient, ada: httpx2.AsyncClient) -> None:
        assert (await root.get("/budgets/alerts")).json() == {"items": []}
        await put(root, tokens=20)
        await say(ada)
        await put(root, tokens=19)
        await say(ada)
        alerts = (await root.get("/budgets/alerts")).json()["items"]
        assert [(one["kind"], one["subject"], one["cap_tokens"]) for one in alerts] == [
            ("budget.refused", "ada", 19),
            ("budget.refused", "ada", 20),
        ]
        assert len((await root.get("/budgets/alerts", params={"limit": 1})).json()["items"]) == 1
        assert (await ada.get("/budgets/alerts")).status_code == 403


class TestLimits:
    async def test_say_what_is_left_and_when_it_renews(
        self, root: httpx2.AsyncClient, ada: httpx2.AsyncClient, bob: httpx2.AsyncClient
    ) -> None:
        await put(root, tokens=5000)
        await put(root, scope="global", period="total", subject="*", dollars="2.5")
        assert (await say(ada)).status_code == 402  # nobody knows what the scripted model costs
        by_scope = {one["scope"]: one for one in (await ada.get("/limits")).json()["budgets"]}
        assert (by_scope["user"]["left_tokens"], by_scope["user"]["tokens"]) == (5000, 5000)
        assert (by_scope["global"]["left_dollars"], by_scope["global"]["renews_at"]) == ("2.5", None)
        assert [one["scope"] for one in (await bob.get("/limits")).json()["budgets"]] == ["global"]


class TestBudgets:
    async def test_are_set_changed_listed_and_removed(self, root: httpx2.AsyncClient) -> None:
        first = await put(root, tokens=5)
        again = await put(root, dollars="1.25")
        assert (again["id"], again["tokens"], again["dollars"]) == (first["id"], None, "1.25")
        await put(root, subject="bob", tokens=1)
        listed = (await root.get("/budgets")).json()["items"]
        assert [one["subject"] for one in listed] == ["bob", "ada"]
        assert (await root.get(f"/budgets/{first['id']}")).json() == again
        assert (await root.delete(f"/budgets/{first['id']}")).status_code == 204
        gone = await root.delete(f"/budgets/{first['id']}")
        assert (gone.status_code, gone.json()["code"]) == (404, "budget_not_found")

    async def test_show_what_was_spent(self, root: httpx2.AsyncClient, ada: httpx2.AsyncClient) -> None:
        budget = await put(root, tokens=5000)
        turn = (await say(ada)).json()
        used = turn["usage"]["input_tokens"] + turn["usage"]["output_tokens"]
        shown = (await root.get(f"/budgets/{budget['id']}")).json()
        assert (shown["spent_tokens"], shown["left_tokens"], shown["reserved_tokens"]) == (used, 5000 - used, 0)

    async def test_pages_go_on_where_the_last_ended(self, root: httpx2.AsyncClient) -> None:
        for number in range(5):
            await put(root, subject=f"user-{number}", tokens=1)
        first = (await root.get("/budgets?limit=3")).json()
        rest = (await root.get("/budgets", params={"limit": 3, "cursor": first["next"]})).json()
        subjects = [one["subject"] for page in (first, rest) for one in page["items"]]
        assert subjects == [f"user-{number}" for number in (4, 3, 2, 1, 0)]

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"tokens": -1},
            {"tokens": 10**18},
            {"dollars": "-1"},
            {"dollars": "1e9"},
            {"dollars": "NaN"},
            {"tokens": 1, "scope": "nobody"},
            {"tokens": 1, "period": "week"},
            {"tokens": 1, "subject": ""},
            {"tokens": 1, "subject": "a\0"},
            {"tokens": 1, "more": 1},
        ],
    )
    async def test_what_makes_no_sense_is_422(self, root: httpx2.AsyncClient, body: dict[str, Any]) -> None:
        answer = await root.put("/budgets", json={"scope": "user", "period": "day", **body})
        assert answer.status_code == 422
        problem_in(answer)

    async def test_an_unknown_one_is_404(self, root: httpx2.AsyncClient) -> None:
        assert (await root.get(f"/budgets/{MISSING_ID}")).status_code == 404
