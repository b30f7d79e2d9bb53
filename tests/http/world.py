"""People of every role, and things of theirs that the others may or may not see."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2
from fastapi import FastAPI

from conversation_engine.domains.users.sign_in.service import SignInService
from conversation_engine.kernel.ids import UserId
from conversation_engine.kernel.people import Principal, Role
from tests.http.scenes import MISSING_ID, new_conversation

SECRET_WORDS = ("xylograph", "quokka", "zeugma")
"""Of Ada's conversation, of Tess's client and of its title: in nobody else's answers, unless they are entitled."""
ROLES: Mapping[str, Role] = {
    "ada": Role.STUDENT,
    "bob": Role.STUDENT,
    "tess": Role.TEACHER,
    "theo": Role.TEACHER,
    "root": Role.ADMIN,
}
EVERYBODY = frozenset(ROLES)
PROFILE = {"name": "Maria", "context": "quokka", "background": "quokka", "opening_line": "Good morning. quokka"}


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Ada talks; Tess has a client that she shares with Ada; Bob, Theo and Root own nothing."""

    clients: Mapping[str, httpx2.AsyncClient]
    ids: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> httpx2.AsyncClient:
        return self.clients[name]

    def missing(self) -> dict[str, str]:
        """Ids of things that do not exist."""
        return dict.fromkeys(self.ids, MISSING_ID) | {"name": "nosuch", "ordinal": "0"}

    def malformed(self, bad: str) -> dict[str, str]:
        """Ids that are none."""
        return dict.fromkeys(self.ids, bad) | {"ordinal": "0"}


@contextlib.asynccontextmanager
async def people_of(app: FastAPI) -> AsyncIterator[dict[str, httpx2.AsyncClient]]:
    """A client for each, signed in."""
    clients = await people(app)
    yield clients
    for client in clients.values():
        await client.aclose()


async def people(app: FastAPI) -> dict[str, httpx2.AsyncClient]:
    """The same, to be closed by who asked."""
    sign_ins: SignInService = app.state.services[SignInService]
    clients = {}
    for name, role in ROLES.items():
        pair = await sign_ins.open_for(Principal(user_id=UserId(name), role=role))
        clients[name] = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=app),
            base_url="http://engine.test",
            headers={"Authorization": f"Bearer {pair.access_token}"},
        )
    return clients


async def furnish(world: World) -> World:
    """Make Ada's and Tess's things."""
    conversation = await new_conversation(world["ada"], title="zeugma")
    path = f"/conversations/{conversation['id']}"
    turn = await posted(world["ada"], f"{path}/turns", {"content": "xylograph"})
    persona = await posted(world["tess"], "/personas", PROFILE)
    shared = await world["tess"].put(f"/personas/{persona['id']}/shares", json={"user_ids": ["ada"]})
    assert shared.status_code == 200
    budget = await world["root"].put("/budgets", json={"scope": "user", "subject": "x", "period": "day", "tokens": 1})
    assert budget.status_code == 200
    session = await posted(world["ada"], "/sessions", {"client_id": persona["id"]})
    said = await posted(world["ada"], f"/sessions/{session['id']}/messages", {"content": "xylograph"})
    everybodys = await posted(world["tess"], "/personas", {"name": "Sam"})
    await world["tess"].put(f"/personas/{everybodys['id']}/shares", json={"everyone": True})
    account = await posted(
        world["root"], "/users", {"login": "carol", "name": "xylograph", "password": "quokka zeugma"}
    )
    collection = await posted(world["ada"], "/collections", {"name": "zeugma"})
    file = ("quokka.md", b"A xylograph of a quokka.", "text/markdown")
    uploaded = await world["ada"].post("/documents", files=[("files", file)], data={"collection_id": collection["id"]})
    assert uploaded.status_code == 202
    link = await posted(world["ada"], f"{path}/shares", {"mode": "live"})
    world.ids.update(
        share_id=link["id"],
        collection_id=collection["id"],
        document_id=uploaded.json()["documents"][0]["id"],
        ordinal="0",
        user_id=account["id"],
        conversation_id=conversation["id"],
        turn_id=turn["id"],
        response_id=turn["id"],
        item_id=turn["user_message_id"],
        message_id=turn["user_message_id"],
        persona_id=persona["id"],
        session_id=session["id"],
        greeting_id=said["parent_id"],
        open_client_id=everybodys["id"],
        budget_id=budget.json()["id"],
        name="tutor",
        chat=conversation["id"],
        model="scripted/test",
    )
    return world


async def furnish_over(app: FastAPI) -> dict[str, str]:
    """The ids of a world in an application that runs."""
    async with people_of(app) as clients:
        return (await furnish(World(clients=clients))).ids


async def posted(client: httpx2.AsyncClient, path: str, body: Any = None) -> dict[str, Any]:
    """What a POST made."""
    response = await client.post(path, json=body)
    assert response.status_code in (200, 201), (path, response.text)
    made: dict[str, Any] = response.json()
    return made
