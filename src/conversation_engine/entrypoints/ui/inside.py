"""A call of our own API in the same process, on behalf of the browser that called us."""

import json
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Message, Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the API answered."""

    status: int
    body: Any

    @property
    def is_good(self) -> bool:
        """Whether it did what was asked."""
        return self.status < 300

    @property
    def detail(self) -> str:
        """The sentence of a refusal."""
        said = self.body.get("detail") if isinstance(self.body, dict) else None
        return said if isinstance(said, str) else "That did not work. Try again in a moment."


async def post(api: ASGIApp, outer: Scope, path: str, body: Any, *, token: str | None = None) -> Answer:
    """POST JSON with the address of the browser, so that failed sign-ins are counted for it and not for us."""
    headers = [(b"content-type", b"application/json"), (b"host", b"inside")]
    if token is not None:
        headers.append((b"authorization", b"Bearer " + token.encode()))
    data = json.dumps(body).encode()
    scope = {
        **{name: outer[name] for name in ("asgi", "client", "server", "scheme", "http_version") if name in outer},
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [*headers, (b"content-length", b"%d" % len(data))],
        "state": {},
    }
    status, received = 500, bytearray()

    async def receive() -> Message:
        return {"type": "http.request", "body": data, "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status
        status = message.get("status", status)
        received.extend(message.get("body", b""))

    await api(scope, receive, send)
    return Answer(status=status, body=json.loads(received) if received else None)
