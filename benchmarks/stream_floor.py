"""The least a proxy can do: pass the model's stream on, event by event, and store nothing.

Served by uvicorn like the product. The upstream side is raw asyncio streams with kept-alive connections and just
enough HTTP/1.1 to read a chunked body: no client library is between the sockets.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any

_PORT = int(os.environ.get("UPSTREAM_PORT", "0"))
_LIMIT_BYTES = 2**22
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_idle: list[Connection] = []


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
        async for data in _pass_on(body):
            await send({"type": "http.response.body", "body": data, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _pass_on(body: bytes) -> AsyncIterator[bytes]:
    connection = _idle.pop() if _idle else await asyncio.open_connection("127.0.0.1", _PORT, limit=_LIMIT_BYTES)
    reader, writer = connection
    head = "POST /v1/chat/completions HTTP/1.1\r\nhost: upstream\r\ncontent-type: application/json\r\n"
    writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
    await reader.readuntil(b"\r\n\r\n")
    rest = b""
    while size := int(await reader.readline(), 16):
        *events, rest = (rest + (await reader.readexactly(size + 2))[:-2]).split(b"\n\n")
        for event in events:
            yield event + b"\n\n"
    await reader.readline()
    _idle.append(connection)
