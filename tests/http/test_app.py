"""Starting the service: what it refuses to start with, and whether it can say that it works."""

import asyncio
import importlib
import json
import re
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from conversation_engine.domains.users.errors import SecretRequiredError, WeakSecretError
from conversation_engine.engine.settings import Settings
from conversation_engine.entrypoints.http import health
from conversation_engine.entrypoints.http.app import create_app

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference" / "openapi.json"


@pytest.fixture
def laptop(tmp_path: Path) -> Settings:
    """No configuration at all."""
    return Settings(data_dir=tmp_path)


async def asked(app: FastAPI, server: tuple[str, int | None] | None) -> int:
    """The status of `/conversations` for a connection that came in at `server`, without a token."""
    sent: list[Any] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await app(
        {
            "type": "http",
            "method": "GET",
            "path": "/conversations",
            "headers": [],
            "query_string": b"",
            "server": server,
        },
        receive,
        send,
    )
    status: int = sent[0]["status"]
    return status


class TestSecrets:
    @pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.168.1.7", "example.org", "127.0.0.1.nip.io"])
    @pytest.mark.parametrize("secret", [None, ""])
    def test_beyond_loopback_one_must_be_set(self, laptop: Settings, host: str, secret: str | None) -> None:
        given = None if secret is None else SecretStr(secret)
        with pytest.raises(SecretRequiredError, match="Set CE_SECRET to at least 32 random bytes"):
            create_app(laptop.model_copy(update={"host": host, "secret": given}))
        assert not (laptop.data_dir / "secret").exists()

    @pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1"])
    def test_one_that_can_be_guessed_is_refused_everywhere(self, laptop: Settings, host: str) -> None:
        with pytest.raises(WeakSecretError, match="at least 32 random bytes, such as `openssl rand -hex 32`"):
            create_app(laptop.model_copy(update={"host": host, "secret": SecretStr("swordfish")}))

    @pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
    def test_a_laptop_makes_its_own(self, laptop: Settings, host: str) -> None:
        create_app(laptop.model_copy(update={"host": host}))
        assert len((laptop.data_dir / "secret").read_text()) == 64

    async def test_a_laptops_own_answers_loopback_only_wherever_the_server_listens(self, laptop: Settings) -> None:
        """`uvicorn --host 0.0.0.0 …:create_app` does not tell the application."""
        app = create_app(laptop)
        for server in (("127.0.0.1", 8000), ("127.9.9.9", 8000), ("::1", 8000), ("/run/convo.sock", None), None):
            assert await asked(app, server) == 401, server
        for server in (("172.17.0.2", 8000), ("10.0.0.7", 80), ("2001:db8::1", 8000), ("fe80::1%eth0", 8000)):
            assert await asked(app, server) == 503, server
        app = create_app(laptop.model_copy(update={"secret": SecretStr("x" * 32)}))
        assert await asked(app, ("172.17.0.2", 8000)) == 401


class TestHealth:
    async def test_a_ready_service_says_what_it_looked_at(self, stranger: httpx2.AsyncClient) -> None:
        assert (await stranger.get("/healthz")).json() == {"status": "ok"}
        response = await stranger.get("/readyz")
        checks = response.json()["checks"]
        assert (response.status_code, response.json()["status"]) == (200, "ok")
        assert (checks["database"], checks["model"], set(checks) - {"notify"}) == ("ok", "ok", {"database", "model"})

    async def test_what_it_can_do_without_is_told_and_keeps_it_from_nothing(self, laptop: Settings) -> None:
        app = create_app(laptop.model_copy(update={"valkey_url": SecretStr("valkey://127.0.0.1:1/0")}))
        async with app.router.lifespan_context(app):
            transport = httpx2.ASGITransport(app=app)
            async with httpx2.AsyncClient(transport=transport, base_url="http://x") as client:
                response = await client.get("/readyz")
        assert (response.status_code, response.json()["status"]) == (200, "ok")
        assert response.json()["checks"] == {"database": "ok", "model": "ok", "valkey": "unreachable"}

    async def test_it_is_alive_but_not_ready_while_the_database_is_away(
        self, app: FastAPI, stranger: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def never() -> bool:
            return await asyncio.Event().wait()

        monkeypatch.setattr(health, "READY_TIMEOUT_SECONDS", 0.05)
        monkeypatch.setattr(app.state, "is_database_ready", never)
        response = await stranger.get("/readyz")
        assert response.status_code == 503
        assert response.json()["status"] == "unavailable"
        assert response.json()["checks"]["database"] == "unreachable"
        assert (await stranger.get("/healthz")).status_code == 200


class TestDocs:
    async def test_the_page_asks_nobody_else(self, stranger: httpx2.AsyncClient) -> None:
        page = await stranger.get("/docs")
        addresses = re.findall(r"""(?:src|href|url)["']?\s*[=:]\s*["']([^"']+)""", page.text)
        assert len(addresses) >= 4
        for address in addresses:
            assert address.startswith("/"), address
            assert not address.startswith("//"), address
            assert (await stranger.get(address)).status_code == 200, address
        assert "default-src 'self'" in page.headers["content-security-policy"]

    async def test_the_page_works_below_a_prefix(self, laptop: Settings) -> None:
        app = create_app(laptop)
        transport = httpx2.ASGITransport(app=app, root_path="/talk")
        async with httpx2.AsyncClient(transport=transport, base_url="http://engine.test") as client:
            page = await client.get("/talk/docs")
        assert "/talk/docs/assets/swagger-ui-bundle.js" in page.text
        assert "/talk/openapi.json" in page.text

    async def test_its_swagger_understands_the_version_of_our_document(self, stranger: httpx2.AsyncClient) -> None:
        """Swagger UI 4 shows an error for OpenAPI 3.1."""
        assert (await stranger.get("/openapi.json")).json()["openapi"].startswith("3.1")
        script = (await stranger.get("/docs/assets/swagger-ui-bundle.js")).text
        assert "OpenAPI 3.1" in script or "isOAS31" in script


class TestOpenAPI:
    def test_the_reference_is_fresh(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.syspath_prepend(str(ROOT / "scripts"))
        generate_docs = importlib.import_module("generate_docs")
        assert REFERENCE.read_text() == generate_docs.openapi_document(), (
            "docs/reference/openapi.json is stale: run `make docs` and commit the result"
        )

    def test_every_route_says_what_it_is_who_may_call_it_and_how_it_fails(self) -> None:
        document = json.loads(REFERENCE.read_text())
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                assert operation["description"], (method, path)
                if path.startswith("/conversations"):
                    assert operation["security"] == [{"HTTPBearer": []}], (method, path)
                    assert operation["responses"]["404"] == {"$ref": "#/components/responses/Problem404"}
        assert "HTTPValidationError" not in document["components"]["schemas"]
