"""The `Idempotency-Key` header."""

import json
from typing import Annotated

from fastapi import Depends, Header, Request

from conversation_engine.kernel.once import Once

_DESCRIPTION = (
    "Any string of yours, quoted or bare, new for each thing you want done. Sending the same request with the same key "
    "again does nothing twice: you get the first result. Remembered for 24 hours."
)


async def _once(
    request: Request, idempotency_key: Annotated[str | None, Header(description=_DESCRIPTION)] = None
) -> Once | None:
    if idempotency_key is None:
        return None
    path = request.url.path.rstrip("/")
    return Once.of(idempotency_key, request.method, path, request.url.query, _canonical(await request.body()))


RequestOnce = Annotated[Once | None, Depends(_once)]
"""Who takes one passes it to the service; the same request is told by method, path, query and what the body says."""


def _canonical(body: bytes) -> bytes:
    """What a JSON body says, however it is spaced and ordered."""
    try:
        return json.dumps(json.loads(body), sort_keys=True, separators=(",", ":")).encode()
    except (ValueError, RecursionError):
        return body
