"""A model service's key is in no answer, no row and no log line, whatever the service does with it."""

import logging
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import httpx2
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import text

from conversation_engine.domains.llm.settings import ProviderSetting
from conversation_engine.engine.settings import Settings
from conversation_engine.engine.wiring import make_tokens
from conversation_engine.entrypoints.http.app import create_app
from conversation_engine.infra.db.opening import open_database
from conversation_engine.kernel.clock import SystemClock
from conversation_engine.kernel.ids import UserId
from conversation_engine.kernel.people import Principal, Role
from tests.http.scenes import EVENT_STREAM
from tests.llm.stub import (
    CUT,
    OPEN_STREAM,
    SILENCE,
    Plan,
    StubService,
    event,
    openai_events,
    refusal,
    running_stub,
)

KEY = "sk-SENTINEL-0123456789abcdef"
PART = "SENTINEL"
ECHO = f'{{"error": {{"message": "Incorrect API key: {KEY}", "type": "{KEY}", "code": "{KEY}"}}}}'.encode()
FAULTS: dict[str, Plan] = {
    **{
        str(status): refusal(status, ECHO)
        for status in (302, 400, 401, 402, 403, 404, 408, 413, 422, 429, 500, 503, 529)
    },
    "the key at the cut": refusal(500, b"x" * 1980 + KEY.encode() * 9),
    "retry-after": refusal(429, ECHO, headers=f"retry-after: {KEY}\r\n"),
    "no http": [f"{KEY}\r\n\r\n".encode()],
    "bad header": [f"HTTP/1.1 200 OK\r\ncontent-length: {KEY}\r\n\r\n".encode()],
    "redirect": [f"HTTP/1.1 302 X\r\nlocation: http://{KEY}/\r\ncontent-length: 0\r\n\r\n".encode()],
    "cut": [OPEN_STREAM, *openai_events("hi", finish=None), CUT],
    "silence": [OPEN_STREAM, SILENCE],
    "no json": [OPEN_STREAM, f"data: {KEY}\n\n".encode()],
    "odd json": [OPEN_STREAM, f'data: {{"choices": "{KEY}", "type": "content_block_delta", "delta": 5}}\n\n'.encode()],
    "error inside": [OPEN_STREAM, event({"type": "error", "error": {"type": KEY, "message": KEY, "code": KEY}})],
}


@pytest.fixture
async def stub() -> AsyncIterator[StubService]:
    async with running_stub() as service:
        yield service


@pytest.fixture
async def guarded(settings: Settings, stub: StubService) -> AsyncIterator[tuple[FastAPI, Settings]]:
    """An application with two services that are given the key in every place that takes one."""
    providers = {
        kind: ProviderSetting(
            kind=kind,
            base_url=f"http://user:{KEY}@{stub.base_url.removeprefix('http://')}/v1?token={KEY}",
            api_key=SecretStr(KEY),
            headers={"x-project": SecretStr(KEY)},
            query={"secret": KEY},
            models={"m": {}},
        )
        for kind in ("openai", "anthropic")
    }
    changes = {"providers": providers, "retry_count": 1, "retry_base_seconds": 0.001, "fallback_reply": "Sorry."}
    changes |= {"first_token_timeout_seconds": 0.1, "circuit_faults": 0, "model": "openai/m"}
    settings = settings.model_copy(update=changes)
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        yield app, settings


def client_of(app: FastAPI, settings: Settings) -> httpx2.AsyncClient:
    principal = Principal(user_id=UserId("root"), role=Role.ADMIN)
    token = make_tokens(settings, SystemClock()).issue(principal, lifetime=timedelta(hours=1))
    headers = {"Authorization": f"Bearer {token}"}
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://engine.test", headers=headers)


async def everything_said(client: httpx2.AsyncClient, kind: str) -> Sequence[str]:
    """What every door answers about a turn that fails."""
    conversation = (await client.post("/conversations", json={"model": f"{kind}/m"})).json()
    path = f"/conversations/{conversation['id']}"
    as_json = await client.post(f"{path}/turns", json={"content": "hi"})
    as_stream = await client.post(f"{path}/turns", json={"content": "hi"}, headers=EVENT_STREAM)
    turn = f"{path}/turns/{as_json.json()['id']}"
    gets = [path, f"{path}/messages", f"{path}/turns", turn, f"{turn}/events", f"{turn}/manifest", "/models"]
    answers = [as_json, as_stream, *[await client.get(one) for one in gets]]
    answers.append(await client.post(f"/models/{kind}/m/test"))
    assert {answer.status_code for answer in answers} <= {200, 201}, [(a.url, a.status_code) for a in answers]
    return [answer.text + str(answer.headers) for answer in answers]


async def every_row(settings: Settings) -> str:
    """All that is stored."""
    database = open_database(settings.resolved_database_url, settings)
    tables = ("conversations", "messages", "turns", "llm_requests", "reply_checkpoints")
    found = [
        await database.read(lambda tx, table=table: str(tx.execute(text(f"SELECT * FROM {table}")).all()))
        for table in tables
    ]
    await database.aclose()
    return "\n".join(found)


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
async def test_no_door_no_row_and_no_log_line_has_it(
    guarded: tuple[FastAPI, Settings], stub: StubService, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    app, settings = guarded

    def told() -> str:
        return "\n".join(f"{record.getMessage()} {vars(record)} {record.exc_text}" for record in caplog.records)

    with caplog.at_level(logging.DEBUG):
        async with client_of(app, settings) as client:
            for name, plan in FAULTS.items():
                stub.plan = plan
                answers = await everything_said(client, kind)
                assert not [answer for answer in answers if PART in answer], name
                assert PART not in told(), name
                assert stub.requests, name
        rows = await every_row(settings)
    assert KEY in "".join(stub.headers).replace("sk-sentinel", "sk-SENTINEL"), "the service must be given the key"
    assert "HTTP 401" in rows
    assert PART not in rows
