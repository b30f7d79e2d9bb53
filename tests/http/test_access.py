"""Who is let in, and to what. The walks find every route in the OpenAPI document: a new one is covered at once."""

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import jwt
import pytest
from fastapi import FastAPI

from conversation_engine.engine.settings import Settings
from tests.conftest import SECRET
from tests.http.scenes import MISSING_ID, conversation_of, new_conversation, problem_in

OPEN_PATHS = {"/healthz", "/readyz"}
"""Beside these only `/docs` and `/openapi.json` need no token."""
BODIES: dict[tuple[str, str], Any] = {
    ("POST", "/conversations"): {},
    ("PATCH", "/conversations/{conversation_id}"): {"title": "Mine now"},
    ("PUT", "/conversations/{conversation_id}/title"): {"title": "Mine now"},
    ("POST", "/conversations/{conversation_id}/messages"): {"role": "user", "content": "Mine now"},
    ("POST", "/conversations/{conversation_id}/turns"): {"content": "Mine now"},
    ("POST", "/conversations/{conversation_id}/messages/{message_id}/edit"): {"content": "Mine now"},
}
CLAIMS = {"sub": "ada", "role": "student", "iss": "conversation-engine", "aud": "conversation-engine"}


def routes_of(app: FastAPI) -> Iterator[tuple[str, str]]:
    """Every method and path template of the service."""
    for path, operations in app.openapi()["paths"].items():
        for method in operations:
            yield method.upper(), path


async def call(client: httpx2.AsyncClient, method: str, path: str, **ids: str) -> httpx2.Response:
    """Call a route with a body that it would take."""
    return await client.request(method, path.format(**ids), json=BODIES.get((method, path)))


def signed(secret: str = SECRET, **changes: Any) -> str:
    """A token of Ada's with some claims changed; `...` leaves one out."""
    claims = CLAIMS | {"exp": int(time.time()) + 600} | changes
    claims = {name: value for name, value in claims.items() if value is not ...}
    return jwt.encode(claims, secret, algorithm="HS256")


def part(document: str) -> str:
    return base64.urlsafe_b64encode(document.encode()).decode().rstrip("=")


def raw_signed(payload: str, header: str = '{"alg":"HS256"}') -> str:
    """A token whose JSON is ours to choose, with a true signature."""
    message = f"{part(header)}.{part(payload)}"
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(
        message.encode(), SECRET.encode()
    )
    return f"{message}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def bad_tokens() -> dict[str, str]:
    """Tokens that nobody may come in with."""
    body = signed().split(".")[1]
    payload = json.dumps(CLAIMS | {"exp": 9_999_999_999})
    return {
        "garbage": "garbage",
        "three dots": "..",
        "not ASCII": "é.é.é",
        "not base64": "%%%.%%%.%%%",
        "a header nested deeply": f"{part('[' * 50_000)}.{body}.",
        "a header that is a list": f"{part('[]')}.{body}.",
        "a payload nested deeply": raw_signed("[" * 50_000),
        "a payload that is a list": raw_signed("[]"),
        "an infinite expiry": raw_signed(
            '{"sub":"ada","aud":"conversation-engine","iss":"conversation-engine","exp":Infinity}'
        ),
        "unsigned": jwt.encode(CLAIMS | {"exp": 9_999_999_999}, "", algorithm="none"),
        "unsigned in capitals": f"{part(json.dumps({'alg': 'NONE'}))}.{part(payload)}.",
        "signature cut off": signed().rsplit(".", 1)[0] + ".",
        "another algorithm": raw_signed(payload, header='{"alg":"HS512"}'),
        "a public key's algorithm": f"{part(json.dumps({'alg': 'RS256'}))}.{part(payload)}.c2ln",
        "an unknown critical extension": jwt.encode(
            CLAIMS | {"exp": 9_999_999_999}, SECRET, algorithm="HS256", headers={"crit": ["x"], "x": 1}
        ),
        "another secret": signed(secret="another secret of more than thirty-two bytes"),
        "expired": signed(exp=int(time.time()) - 60),
        "no expiry": signed(exp=...),
        "an expiry that is a text": signed(exp="tomorrow"),
        "not valid yet": signed(nbf=int(time.time()) + 600),
        "issued in the future": signed(iat=int(time.time()) + 600),
        "another audience": signed(aud="somebody-else"),
        "no audience": signed(aud=...),
        "another issuer": signed(iss="somebody-else"),
        "no issuer": signed(iss=...),
        "an unknown role": signed(role="root"),
        "a role that is a list": signed(role=["admin"]),
        "a role of null": signed(role=None),
        "no subject": signed(sub=...),
        "an empty subject": signed(sub=""),
        "a blank subject": signed(sub=" \t"),
        "a long subject": signed(sub="a" * 10_000),
        "a subject with NUL": signed(sub="ada\x00"),
        "a subject with half a character": raw_signed(payload.replace('"ada"', '"\\ud800"')),
        "a numeric subject": raw_signed(payload.replace('"ada"', "1")),
        "a subject of null": raw_signed(payload.replace('"ada"', "null")),
    }


class TestWithoutAToken:
    async def test_every_route_but_health_answers_401(self, app: FastAPI, stranger: httpx2.AsyncClient) -> None:
        ids = {"conversation_id": MISSING_ID, "turn_id": MISSING_ID, "message_id": MISSING_ID}
        for method, path in routes_of(app):
            response = await call(stranger, method, path, **ids)
            if path in OPEN_PATHS:
                assert response.status_code == 200
                continue
            assert response.status_code == 401, (method, path)
            assert problem_in(response)["code"] == "not_authenticated"
            assert response.headers["www-authenticate"].startswith("Bearer ")

    async def test_not_even_the_form_of_an_id_is_told(self, app: FastAPI, stranger: httpx2.AsyncClient) -> None:
        for method, path in routes_of(app):
            if "{" in path:
                response = await call(stranger, method, path, conversation_id="x", turn_id="x", message_id="x")
                assert response.status_code == 401, (method, path)

    async def test_what_is_open_is_open(self, stranger: httpx2.AsyncClient) -> None:
        for path in ("/docs", "/openapi.json", "/healthz", "/readyz"):
            assert (await stranger.get(path)).status_code == 200, path


class TestWithABadToken:
    async def test_every_bad_token_is_refused(self, stranger: httpx2.AsyncClient, subtests: pytest.Subtests) -> None:
        for name, token in bad_tokens().items():
            with subtests.test(name):
                response = await stranger.get(
                    "/conversations", headers=[(b"authorization", f"Bearer {token}".encode("latin-1"))]
                )
                assert response.status_code == 401
                expected = "expired_token" if name == "expired" else "invalid_token"
                assert problem_in(response)["code"] == expected
                assert response.headers["www-authenticate"].startswith("Bearer ")

    async def test_another_scheme_counts_as_none(self, stranger: httpx2.AsyncClient) -> None:
        for header in ("", "Bearer", "Bearer ", "Basic YWRhOmFkYQ==", "Token x", "bearer"):
            response = await stranger.get("/conversations", headers={"Authorization": header})
            assert response.status_code == 401, header
            assert problem_in(response)["code"] in {"not_authenticated", "invalid_token"}

    async def test_a_good_token_is_taken(self, stranger: httpx2.AsyncClient) -> None:
        for token in (signed(), signed(role=...), signed(aud=["x", "conversation-engine"]), signed(sub="a" * 255)):
            assert (
                await stranger.get("/conversations", headers={"Authorization": f"bearer {token}"})
            ).status_code == 200

    async def test_a_token_in_the_address_is_not_looked_at(self, stranger: httpx2.AsyncClient) -> None:
        response = await stranger.get("/conversations", params={"token": signed(), "access_token": signed()})
        assert response.status_code == 401


class TestSomebodyElses:
    async def test_every_route_with_an_id_answers_403_and_writes_nothing(
        self, app: FastAPI, ada: httpx2.AsyncClient, bob: httpx2.AsyncClient
    ) -> None:
        conversation_id = (await new_conversation(ada, title="Mine"))["id"]
        turn = (await ada.post(f"/conversations/{conversation_id}/turns", json={"content": "Hello"})).json()
        before = await conversation_of(ada, conversation_id)
        ids = {"conversation_id": conversation_id, "turn_id": turn["id"], "message_id": turn["user_message_id"]}
        for method, path in routes_of(app):
            if "{" in path:
                response = await call(bob, method, path, **ids)
                assert response.status_code == 403, (method, path)
                assert problem_in(response)["code"] == "conversation_forbidden"
                assert "Mine" not in response.text
        assert await conversation_of(ada, conversation_id) == before
        assert (await bob.get("/conversations")).json()["items"] == []

    async def test_a_turn_is_not_found_through_a_conversation_of_ones_own(
        self, ada: httpx2.AsyncClient, bob: httpx2.AsyncClient
    ) -> None:
        theirs = await new_conversation(ada)
        turn = (await ada.post(f"/conversations/{theirs['id']}/turns", json={"content": "Secret"})).json()
        own = await new_conversation(bob)
        for method, end in (("GET", ""), ("GET", "/events"), ("GET", "/manifest"), ("POST", "/cancel")):
            response = await bob.request(method, f"/conversations/{own['id']}/turns/{turn['id']}{end}")
            assert response.status_code == 404
            assert problem_in(response)["code"] == "turn_not_found"

    async def test_a_role_opens_no_door_to_the_conversations_of_others(
        self, ada: httpx2.AsyncClient, stranger: httpx2.AsyncClient
    ) -> None:
        conversation_id = (await new_conversation(ada))["id"]
        headers = {"Authorization": f"Bearer {signed(sub='eve', role='admin')}"}
        assert (await stranger.get(f"/conversations/{conversation_id}", headers=headers)).status_code == 403


class TestUnknownAndMalformedIds:
    async def test_every_route_with_an_id_answers_404_to_one_that_is_unknown(
        self, app: FastAPI, ada: httpx2.AsyncClient
    ) -> None:
        ids = {"conversation_id": MISSING_ID, "turn_id": MISSING_ID, "message_id": MISSING_ID}
        for method, path in routes_of(app):
            if "{" in path:
                response = await call(ada, method, path, **ids)
                assert response.status_code == 404, (method, path)
                assert problem_in(response)["code"] == "conversation_not_found"

    async def test_every_route_with_an_id_answers_422_to_one_that_is_malformed(
        self, app: FastAPI, ada: httpx2.AsyncClient
    ) -> None:
        for bad in ("1", "x", "%00", "%ff", "..%5c", "01890a5d-ac96-774b-bcce-b302099a805g", "9" * 5000):
            for method, path in routes_of(app):
                if "{" in path:
                    ids = {"conversation_id": bad, "turn_id": MISSING_ID, "message_id": MISSING_ID}
                    response = await call(ada, method, path, **ids)
                    assert response.status_code == 422, (bad, method, path)
                    assert problem_in(response)["code"] == "invalid_id"

    async def test_the_walk_covers_a_service_worth_walking(self, settings: Settings, app: FastAPI) -> None:
        assert len(list(routes_of(app))) >= 17
        assert set(BODIES) <= set(routes_of(app)), "a body belongs to a route that is gone"
