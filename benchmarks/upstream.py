"""A model service that costs next to nothing: a fixed reply in the OpenAI dialect, 64 chunks.

`UPSTREAM_DELAY_MS` is the pause before each chunk; 0 sends them as fast as the socket takes them. With
`UPSTREAM_FIRST_MS`, a pause before the first, that one says in seconds how long it really took: `word0 own0.3127 `.
"""

import asyncio
import json
import os
import time
from typing import Any

CHUNKS = 64
FIRST_WORD = b"word0 "
_DELAY_SECONDS = float(os.environ.get("UPSTREAM_DELAY_MS", "0")) / 1000
_FIRST_SECONDS = float(os.environ.get("UPSTREAM_FIRST_MS", "0")) / 1000


def _event(choices: list[dict[str, Any]], **more: Any) -> bytes:
    head = {"id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1767225600, "model": "stub"}
    return b"data: " + json.dumps({**head, "choices": choices, **more}).encode() + b"\n\n"


def _delta(delta: dict[str, str], finish_reason: str | None = None) -> bytes:
    return _event([{"index": 0, "delta": delta, "finish_reason": finish_reason}])


BYTES_A_TOKEN = 5
"""Of a request's body. A service that reports any old number would teach us that our own counts are wrong."""
HEAD = _delta({"role": "assistant", "content": ""})
WORDS = [_delta({"content": f"word{i} "}) for i in range(CHUNKS)]


def tail(request_bytes: int) -> bytes:
    prompt = request_bytes // BYTES_A_TOKEN
    usage = {"prompt_tokens": prompt, "completion_tokens": 2 * CHUNKS, "total_tokens": prompt + 2 * CHUNKS}
    return _delta({}, "stop") + _event([], usage=usage) + b"data: [DONE]\n\n"


async def app(scope: Any, receive: Any, send: Any) -> None:
    """ASGI: GET answers 200 (to see whether it is up), POST streams the reply."""
    if scope["type"] != "http":
        return
    began = time.perf_counter()
    size, is_more = 0, True
    while is_more:
        message = await receive()
        size, is_more = size + len(message.get("body", b"")), bool(message.get("more_body"))
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if scope["method"] == "POST":
        await send({"type": "http.response.body", "body": HEAD, "more_body": True})
        if _FIRST_SECONDS:
            await asyncio.sleep(_FIRST_SECONDS)
            own = _delta({"content": f"word0 own{time.perf_counter() - began:.4f} "})
            await send({"type": "http.response.body", "body": own, "more_body": True})
        for word in WORDS[1:] if _FIRST_SECONDS else WORDS:
            if _DELAY_SECONDS:
                await asyncio.sleep(_DELAY_SECONDS)
            await send({"type": "http.response.body", "body": word, "more_body": True})
        await send({"type": "http.response.body", "body": tail(size), "more_body": True})
    await send({"type": "http.response.body", "body": b""})
