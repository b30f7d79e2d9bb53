"""What every answer has, and what other sites' pages may do."""

from typing import Any

import httpx2
from fastapi import FastAPI

from conversation_engine.engine.settings import Settings
from conversation_engine.entrypoints.http.app import create_app
from conversation_engine.entrypoints.http.middleware import PROTECTION
from conversation_engine.testing import ScriptedModel
from tests.http.scenes import EVENT_STREAM, MISSING_ID, new_conversation

ELSEWHERE = "https://school.example"


def calling(app: FastAPI, scheme: str = "http") -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url=f"{scheme}://engine.test")


class TestProtection:
    async def test_every_kind_of_answer_has_it(self, ada: httpx2.AsyncClient, stranger: httpx2.AsyncClient) -> None:
        conversation = await new_conversation(ada)
        answers = [
            await ada.get("/conversations"),
            await ada.get(f"/conversations/{MISSING_ID}"),
            await stranger.get("/conversations"),
            await stranger.get("/nowhere"),
            await ada.post("/conversations", content=b"x" * 2_000_000),
            await ada.post(f"/conversations/{conversation['id']}/turns", json={"content": "hi"}, headers=EVENT_STREAM),
        ]
        assert [answer.status_code for answer in answers] == [200, 404, 401, 404, 413, 200]
        for answer in answers:
            for name in PROTECTION:
                assert len(answer.headers.get_list(name)) == 1, (answer.status_code, name)
            assert "strict-transport-security" not in answer.headers
        assert answers[0].headers["cache-control"] == "no-store"

    async def test_what_a_page_says_itself_is_kept(self, stranger: httpx2.AsyncClient) -> None:
        policy = (await stranger.get("/docs")).headers.get_list("content-security-policy")
        assert len(policy) == 1
        assert "script-src" in policy[0]

    async def test_over_https_browsers_are_told_to_stay_there(self, app: FastAPI) -> None:
        async with calling(app, "https") as client:
            assert (await client.get("/healthz")).headers["strict-transport-security"] == "max-age=31536000"


class TestOtherSites:
    async def test_none_may_by_default(self, app: FastAPI) -> None:
        async with calling(app) as client:
            ask = {"Origin": ELSEWHERE, "Access-Control-Request-Method": "GET"}
            for response in (
                await client.get("/healthz", headers={"Origin": ELSEWHERE}),
                await client.options("/conversations", headers=ask),
            ):
                assert not [name for name in response.headers if name.startswith("access-control")]

    async def test_those_that_are_named_may_without_cookies(self, settings: Settings) -> None:
        app = create_app(
            settings.model_copy(update={"cors_origins": [ELSEWHERE]}), providers={"scripted": ScriptedModel()}
        )
        async with calling(app) as client:
            ask = {
                "Origin": ELSEWHERE,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization, idempotency-key",
            }
            allowed = await client.options("/conversations", headers=ask)
            assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, ELSEWHERE)
            assert "access-control-allow-credentials" not in allowed.headers
            refused = await client.options("/conversations", headers={**ask, "Origin": "https://evil.example"})
            assert "access-control-allow-origin" not in refused.headers


class TestAddresses:
    async def test_no_route_takes_a_secret_in_its_address(self, app: FastAPI) -> None:
        secret = ("token", "password", "secret", "code", "key")
        paths: dict[str, Any] = dict(app.openapi()["paths"])
        del paths["/shared/{secret}"]  # a link that is given to people: decision 0018
        for path, operations in paths.items():
            for operation in operations.values():
                for parameter in operation.get("parameters", []):
                    is_in_address = parameter["in"] in ("query", "path")
                    assert not (is_in_address and any(word in parameter["name"] for word in secret)), path
