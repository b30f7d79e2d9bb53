"""Signing in and out over HTTP, and the accounts that admins keep."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from fastapi import FastAPI

from conversation_engine.domains.users.service import AccountService
from conversation_engine.domains.users.types import NewUser
from conversation_engine.kernel.people import Role
from tests.http.scenes import problem_in
from tests.users.scenes import PASSWORD, ROOT


@pytest.fixture
async def tess(app: FastAPI, stranger: httpx2.AsyncClient) -> dict[str, Any]:
    """A teacher with a password, signed in."""
    await app.state.services[AccountService].create(
        ROOT, NewUser(login="tess", name="Tess", role=Role.TEACHER, password=PASSWORD)
    )
    return await signed_in(stranger)


async def signed_in(client: httpx2.AsyncClient) -> dict[str, Any]:
    response = await client.post("/auth/token", json={"login": "Tess", "password": PASSWORD})
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def bearer(body: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {body['access_token']}"}


class TestAuth:
    async def test_a_sign_in_from_its_first_to_its_last_word(
        self, stranger: httpx2.AsyncClient, tess: dict[str, Any]
    ) -> None:
        assert (tess["token_type"], tess["expires_in"], tess["role"]) == ("bearer", 900, "teacher")
        me = (await stranger.get("/auth/me", headers=bearer(tess))).json()
        assert (me["user_id"], me["role"], me["account"]["login"]) == (tess["user_id"], "teacher", "tess")
        fresh = (await stranger.post("/auth/refresh", json={"refresh_token": tess["refresh_token"]})).json()
        assert (await stranger.post("/auth/logout", headers=bearer(fresh))).status_code == 204
        for ended in (tess, fresh):
            refused = await stranger.get("/auth/me", headers=bearer(ended))
            assert (refused.status_code, problem_in(refused)["code"]) == (401, "revoked_token")
        refused = await stranger.post("/auth/refresh", json={"refresh_token": fresh["refresh_token"]})
        assert (refused.status_code, problem_in(refused)["code"]) == (401, "invalid_refresh_token")

    async def test_what_is_wrong_is_not_told_and_tries_are_limited(
        self, stranger: httpx2.AsyncClient, tess: dict[str, Any]
    ) -> None:
        told = set()
        for login in ("tess", "nobody"):
            refused = await stranger.post("/auth/token", json={"login": login, "password": "wrong"})
            told.add((refused.status_code, refused.text))
        assert len(told) == 1
        for _ in range(9):
            await stranger.post("/auth/token", json={"login": "tess", "password": "wrong"})
        refused = await stranger.post("/auth/token", json={"login": "tess", "password": PASSWORD})
        assert (refused.status_code, problem_in(refused)["code"]) == (429, "too_many_sign_ins")
        assert int(refused.headers["retry-after"]) > 0

    async def test_a_link_of_an_admin_signs_in_once(
        self, stranger: httpx2.AsyncClient, ada: httpx2.AsyncClient, admin: httpx2.AsyncClient
    ) -> None:
        user = (await admin.post("/users", json={"login": "leo"})).json()
        assert (await ada.post(f"/users/{user['id']}/link")).status_code == 403
        url = (await admin.post(f"/users/{user['id']}/link")).json()["url"]
        [code] = parse_qs(urlsplit(url).query)["code"]
        pair = (await stranger.post("/auth/link", json={"code": code})).json()
        assert (await stranger.get("/conversations", headers=bearer(pair))).status_code == 200
        refused = await stranger.post("/auth/link", json={"code": code})
        assert (refused.status_code, problem_in(refused)["code"]) == (401, "invalid_link")

    async def test_a_token_of_the_command_line_has_no_account_and_nothing_to_sign_out_of(
        self, ada: httpx2.AsyncClient
    ) -> None:
        assert (await ada.get("/auth/me")).json() == {"user_id": "ada", "role": "student", "account": None}
        assert problem_in(await ada.post("/auth/logout"))["code"] == "not_a_sign_in"

    async def test_ones_own_password(self, stranger: httpx2.AsyncClient, tess: dict[str, Any]) -> None:
        change = {"old": PASSWORD, "new": "quite another one"}
        assert (await stranger.put("/auth/password", json=change, headers=bearer(tess))).status_code == 204
        assert (await stranger.get("/auth/me", headers=bearer(tess))).status_code == 401
        body = {"login": "tess", "password": "quite another one"}
        assert (await stranger.post("/auth/token", json=body)).status_code == 200


class TestUsers:
    async def test_an_admin_makes_changes_and_closes_accounts(
        self, stranger: httpx2.AsyncClient, admin: httpx2.AsyncClient
    ) -> None:
        made = await admin.post("/users", json={"login": "Tess", "role": "student", "password": PASSWORD})
        assert made.status_code == 201
        assert "password_hash" not in made.text
        user = made.json()
        pair = await signed_in(stranger)
        changed = (await admin.patch(f"/users/{user['id']}", json={"role": "teacher"})).json()
        assert changed["role"] == "teacher"
        assert (await stranger.get("/auth/me", headers=bearer(pair))).status_code == 401
        pair = await signed_in(stranger)
        assert (await admin.post(f"/users/{user['id']}/logout")).json() == {"ended": 1}
        assert (await stranger.get("/auth/me", headers=bearer(pair))).status_code == 401
        await admin.patch(f"/users/{user['id']}", json={"is_active": False})
        refused = await stranger.post("/auth/token", json={"login": "tess", "password": PASSWORD})
        assert refused.status_code == 401
        assert [item["login"] for item in (await admin.get("/users?role=teacher")).json()["items"]] == ["tess"]
        actions = [item["action"] for item in (await admin.get(f"/audit?subject_id={user['id']}")).json()["items"]]
        assert actions == [
            "user.sign_in_failed",
            "user.changed",
            "user.signed_out",
            "user.signed_in",
            "user.changed",
            "user.signed_in",
            "user.created",
        ]

    async def test_a_name_that_is_taken(self, admin: httpx2.AsyncClient) -> None:
        await admin.post("/users", json={"login": "tess"})
        refused = await admin.post("/users", json={"login": "TESS"})
        assert (refused.status_code, problem_in(refused)["code"]) == (409, "user_exists")
