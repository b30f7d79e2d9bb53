"""The least a proxy can do: pass the model's stream on, event by event, and store nothing.

Served by uvicorn and reading from the model service with aiohttp, both as the product does.
"""

import os
from typing import Any

import aiohttp

_URL = f"http://127.0.0.1:{os.environ.get('UPSTREAM_PORT', '0')}/v1/chat/completions"
_sessions: list[aiohttp.ClientSession] = []


async def app(scope: Any, receive: Any, send: Any) -> None:
    """ASGI: POST is passed on, GET says that we are up."""
    if scope["type"] != "http":
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if scope["method"] == "POST":
        async with _session().post(_URL, data=body, headers={"content-type": "application/json"}) as response:
            async for line in response.content:
                if line.strip():
                    await send({"type": "http.response.body", "body": line + b"\n", "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def _session() -> aiohttp.ClientSession:
    if not _sessions:
        _sessions.append(aiohttp.ClientSession())
    return _sessions[0]
