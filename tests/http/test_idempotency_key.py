"""The `Idempotency-Key` header."""

import asyncio
import json
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from conversation_engine.domains.limits.service import BudgetService
from conversation_engine.infra.idempotency.ledger import IdempotencyLedger
from conversation_engine.kernel.clock import SystemClock
from conversation_engine.kernel.once import Once
from tests.http.scenes import EVENT_STREAM, events_in, new_conversation, text_of


async def streamed(client: httpx2.AsyncClient, path: str, body: Any, **headers: str) -> list[Any]:
    async with client.stream("POST", path, json=body, headers={**EVENT_STREAM, **headers}) as response:
        assert response.status_code == 200
        return [event async for event in events_in(response)]


class TestTurns:
    async def test_a_repetition_is_the_same_stream_from_its_beginning_or_from_where_it_was_left(
        self, ada: httpx2.AsyncClient
    ) -> None:
        path = f"/conversations/{(await new_conversation(ada))['id']}/turns"
        first = await streamed(ada, path, {"content": "hi"}, **{"Idempotency-Key": '"k-1"'})
        again = await streamed(ada, path + "/", {"content": "hi"}, **{"Idempotency-Key": "k-1"})
        assert again[0].data["id"] == first[0].data["id"]
        assert text_of(again) == text_of(first) != ""
        assert (again[-1].name, again[-1].data) == (first[-1].name, first[-1].data)
        rest = await streamed(ada, path, {"content": "hi"}, **{"Idempotency-Key": "k-1", "Last-Event-ID": "2"})
        assert text_of(rest) == text_of(first)[2:]

    async def test_another_body_is_refused(self, ada: httpx2.AsyncClient) -> None:
        path = f"/conversations/{(await new_conversation(ada))['id']}/turns"
        key = {"Idempotency-Key": "k-2"}
        assert (await ada.post(path, json={"content": "one"}, headers=key)).status_code == 201
        refused = await ada.post(path, json={"content": "two"}, headers=key)
        assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")

    @pytest.mark.parametrize("key", ["", '""', "x" * 256])
    async def test_what_is_no_key_is_refused(self, ada: httpx2.AsyncClient, key: str) -> None:
        refused = await ada.post("/conversations/", json={}, headers={"Idempotency-Key": key})
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_input")


class TestOtherVerbs:
    async def test_a_conversation_is_made_once_however_its_body_is_spaced(self, ada: httpx2.AsyncClient) -> None:
        headers = {"Idempotency-Key": "k-3", "Content-Type": "application/json"}
        bodies = ('{"title": "a", "metadata": {}}', '{"metadata":{},"title":"a"}')
        made = [(await ada.post("/conversations", content=body, headers=headers)).json() for body in bodies]
        assert made[0]["id"] == made[1]["id"]

    async def test_deleting_twice_is_no_error(self, ada: httpx2.AsyncClient) -> None:
        path = f"/conversations/{(await new_conversation(ada))['id']}"
        codes = [(await ada.delete(path, headers={"Idempotency-Key": "k-4"})).status_code for _ in range(2)]
        assert codes == [204, 204]

    async def test_a_message_is_removed_once(self, ada: httpx2.AsyncClient) -> None:
        path = f"/conversations/{(await new_conversation(ada))['id']}/messages"
        added = (await ada.post(path, json={"role": "user", "content": "hi"})).json()
        key = {"Idempotency-Key": "k-5"}
        removed = [(await ada.delete(f"{path}/{added['id']}", headers=key)).json() for _ in range(2)]
        assert removed == [{"removed": 1}, {"removed": 0}]


PROFILE = {"name": "Maria", "background": "A baker."}
EDITED = {**PROFILE, "background": "A retired baker."}
OPEN = {"/auth/token", "/auth/refresh", "/auth/link"}
"""Where people come in: a repetition is another sign-in."""


async def persona_of(client: httpx2.AsyncClient) -> str:
    response = await client.post("/personas", json=PROFILE)
    assert response.status_code == 201, response.text
    return f"/personas/{response.json()['id']}"


async def kept_in(app: FastAPI) -> list[tuple[str, Any]]:
    """The fingerprint and the answer of every key that was used."""
    database = app.state.services[BudgetService]._database
    query = text("SELECT fingerprint, answer FROM idempotency_keys")
    return await database.read(lambda tx: [tuple(row) for row in tx.execute(query)])


def keyed(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key}


class TestServicesThatKnowNothingOfKeys:
    """Their answers are kept: every verb that changes something honours the header."""

    async def test_every_verb_that_changes_something_says_so(self, ada: httpx2.AsyncClient) -> None:
        paths = (await ada.get("/openapi.json")).json()["paths"]
        silent = {
            path
            for path, operations in paths.items()
            for verb, operation in operations.items()
            if verb in ("post", "put", "patch", "delete")
            and "idempotency-key" not in {parameter["name"] for parameter in operation.get("parameters", [])}
        }
        assert silent == OPEN

    async def test_a_client_is_edited_once(self, admin: httpx2.AsyncClient) -> None:
        path = await persona_of(admin)
        first = await admin.put(path, json={"profile": EDITED}, headers=keyed('"k-10"'))
        again = await admin.put(path + "/", json={"profile": EDITED}, headers=keyed("k-10"))
        assert (again.status_code, again.json()) == (first.status_code, first.json()) == (200, first.json())
        assert again.headers["content-type"] == first.headers["content-type"]
        assert (await admin.get(path)).json()["version"] == 2

    async def test_a_late_repetition_does_not_undo_what_came_after(self, admin: httpx2.AsyncClient) -> None:
        path = await persona_of(admin)
        await admin.put(path, json={"profile": EDITED}, headers=keyed("k-11"))
        await admin.put(path, json={"profile": PROFILE}, headers=keyed("k-12"))
        await admin.put(path, json={"profile": EDITED}, headers=keyed("k-11"))
        assert (await admin.get(path)).json()["profile"]["background"] == PROFILE["background"]

    async def test_another_body_is_refused(self, admin: httpx2.AsyncClient) -> None:
        path = await persona_of(admin)
        await admin.put(path, json={"profile": EDITED}, headers=keyed("k-13"))
        refused = await admin.put(path, json={"profile": PROFILE}, headers=keyed("k-13"))
        assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")

    async def test_keys_are_the_callers_own_and_nobody_gets_the_answer_of_another(
        self, admin: httpx2.AsyncClient, ada: httpx2.AsyncClient, stranger: httpx2.AsyncClient
    ) -> None:
        path = await persona_of(admin)
        await admin.put(path, json={"profile": EDITED}, headers=keyed("k-14"))
        assert (await ada.put(path, json={"profile": EDITED}, headers=keyed("k-14"))).status_code == 403
        assert (await stranger.put(path, json={"profile": EDITED}, headers=keyed("k-14"))).status_code == 401

    async def test_a_request_that_is_refused_leaves_its_key_free(self, admin: httpx2.AsyncClient) -> None:
        path = await persona_of(admin)
        refused = await admin.put(path, json={"profile": {**EDITED, "name": " "}}, headers=keyed("k-15"))
        assert refused.status_code == 422
        assert (await admin.put(path, json={"profile": EDITED}, headers=keyed("k-15"))).status_code == 200

    async def test_of_many_at_once_one_is_carried_out(self, admin: httpx2.AsyncClient) -> None:
        path = await persona_of(admin)
        answers = await asyncio.gather(
            *(admin.put(path, json={"profile": EDITED}, headers=keyed("k-16")) for _ in range(20))
        )
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.text for answer in answers}) == 1
        assert (await admin.get(path)).json()["version"] == 2

    async def test_one_that_died_before_it_could_answer_is_not_carried_out_again(
        self, app: FastAPI, admin: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("conversation_engine.infra.idempotency.answers.LOOKS", 2)
        path, body = await persona_of(admin), {"profile": EDITED}
        once = Once.of(
            "k-17", app.state.key_salt, "PUT", path, "", json.dumps(body, sort_keys=True, separators=(",", ":"))
        )
        database = app.state.services[BudgetService]._database
        ledger = IdempotencyLedger(database, clock=SystemClock(), hours=1)
        await database.write(lambda tx: ledger.claim(tx, once, owner_id="root"))
        again = await admin.put(path, json=body, headers=keyed("k-17"))
        assert (again.status_code, again.json()["code"]) == (409, "idempotency_answer_pending")
        assert (await admin.get(path)).json()["version"] == 1

    async def test_what_fails_after_its_effect_can_be_asked_again(
        self, admin: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def break_down(_self: BudgetService) -> None:
            raise RuntimeError

        body = {"scope": "user", "subject": "ada", "period": "day", "tokens": 5}
        with monkeypatch.context() as broken:
            broken.setattr(BudgetService, "_tell", break_down)
            assert (await admin.put("/budgets", json=body, headers=keyed("k-18"))).status_code == 500
        assert (await admin.put("/budgets", json=body, headers=keyed("k-18"))).status_code == 200

    async def test_what_a_body_says_cannot_be_guessed_by_its_fingerprint(
        self, app: FastAPI, admin: httpx2.AsyncClient
    ) -> None:
        body = {"login": "eve", "password": "a password of eve's"}
        assert (await admin.post("/users", json=body, headers=keyed("k-21"))).status_code == 201
        said = json.dumps(body, sort_keys=True, separators=(",", ":"))
        [(fingerprint, _)] = await kept_in(app)
        assert fingerprint != Once.of("k-21", "POST", "/users", "", said).fingerprint
        assert fingerprint == Once.of("k-21", app.state.key_salt, "POST", "/users", "", said).fingerprint

    async def test_who_is_erased_is_in_no_answer_that_others_were_given(
        self, app: FastAPI, admin: httpx2.AsyncClient
    ) -> None:
        user = (await admin.post("/users", json={"login": "eve"}, headers=keyed("k-22"))).json()
        assert user["id"] in str(await kept_in(app))
        erased = await admin.post(f"/users/{user['id']}/erase", json={"confirm": user["id"]}, headers=keyed("k-23"))
        assert erased.status_code == 200
        assert user["id"] not in str(await kept_in(app))

    async def test_a_secret_is_not_kept(self, app: FastAPI, admin: httpx2.AsyncClient) -> None:
        user = (await admin.post("/users", json={"login": "eve"}, headers=keyed("k-19"))).json()
        links = [(await admin.post(f"/users/{user['id']}/link", headers=keyed("k-20"))).json()["url"] for _ in range(2)]
        assert links[0] != links[1]
        [(_, answer)] = await kept_in(app)
        assert user["id"] in str(answer)
        assert not any(link in str(answer) for link in links)
