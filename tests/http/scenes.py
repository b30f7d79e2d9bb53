"""What tests of the HTTP doors do again and again."""

import json
import re
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from typing import Any, Protocol

import httpx2
import uvicorn
from fastapi import FastAPI
from uvicorn.config import HTTPProtocolType

from conversation_engine.engine.settings import Settings

MISSING_ID = "01890a5d-ac96-774b-bcce-b302099a8057"
EVENT_STREAM = {"Accept": "text/event-stream"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedApp:
    """An application on a real socket, with a client of Ada's."""

    app: FastAPI
    server: uvicorn.Server
    client: httpx2.AsyncClient
    token: str

    @property
    def port(self) -> int:
        return self.client.base_url.port or 0


class Serve(Protocol):
    """Starts a server on a port of its own; it stops with the test."""

    def __call__(self, settings: Settings, http: HTTPProtocolType = "auto") -> Awaitable[ServedApp]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A server-sent event as a client reads it; a comment has no name."""

    name: str | None
    id: int | None
    data: Any
    raw: str


async def new_conversation(client: httpx2.AsyncClient, **fields: Any) -> dict[str, Any]:
    response = await client.post("/conversations", json=fields)
    assert response.status_code == 201, response.text
    created: dict[str, Any] = response.json()
    return created


async def conversation_of(client: httpx2.AsyncClient, conversation_id: str) -> dict[str, Any]:
    response = await client.get(f"/conversations/{conversation_id}")
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def events_in(response: httpx2.Response) -> AsyncIterator[Event]:
    """The events of a stream, as they come."""
    text = ""
    async for piece in response.aiter_text():
        text += piece
        while "\n\n" in text:
            block, text = text.split("\n\n", 1)
            yield _event(block)
    assert text == "", f"the stream ends in the middle of an event: {text!r}"


async def streamed(client: httpx2.AsyncClient, conversation_id: str, content: Any, **fields: Any) -> list[Event]:
    """Everything that a turn streams."""
    path = f"/conversations/{conversation_id}/turns"
    async with client.stream("POST", path, json={"content": content, **fields}, headers=EVENT_STREAM) as response:
        assert response.status_code == 200, await response.aread()
        return [event async for event in events_in(response)]


async def followed(client: httpx2.AsyncClient, turn: dict[str, Any], **options: Any) -> list[Event]:
    """Everything that following a turn streams."""
    path = f"/conversations/{turn['conversation_id']}/turns/{turn['id']}/events"
    async with client.stream("GET", path, **options) as response:
        assert response.status_code == 200, await response.aread()
        return [event async for event in events_in(response)]


def text_of(events: list[Event]) -> str:
    """The reply that the deltas add up to."""
    return "".join(event.data["text"] for event in events if event.name == "reply.delta")


def problem_in(response: httpx2.Response) -> dict[str, Any]:
    """The problem document of an answer, checked for its form; under `/v1` that of the OpenAI dialect."""
    if response.request.url.path.startswith("/v1/"):
        assert response.headers["content-type"] == "application/json", (response.status_code, response.text)
        error: dict[str, Any] = response.json()["error"]
        assert set(error) == {"message", "type", "param", "code"}
        return error
    assert response.headers["content-type"] == "application/problem+json", (response.status_code, response.text)
    body: dict[str, Any] = response.json()
    assert body["type"] == "about:blank"
    assert body["status"] == response.status_code
    assert body["title"]
    assert body["detail"]
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", body["code"])
    return body


def _event(block: str) -> Event:
    fields = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
    return Event(
        name=fields.get("event"),
        id=int(fields["id"]) if "id" in fields else None,
        data=json.loads(fields["data"]) if "data" in fields else None,
        raw=block,
    )
