"""Who is let in. Who is let in to which route: `test_walk.py`."""

import base64
import json
import time
from typing import Any

import httpx2
import jwt
import pytest

from tests.conftest import SECRET
from tests.http.scenes import new_conversation, problem_in

CLAIMS = {"sub": "ada", "role": "student", "iss": "conversation-engine", "aud": "conversation-engine"}


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
