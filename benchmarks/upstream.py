"""A model service that costs next to nothing: a fixed reply in the OpenAI dialect, 64 chunks.

`UPSTREAM_DELAY_MS` is the pause before each chunk; 0 sends them as fast as the socket takes them.
"""

import asyncio
import json
import os
from typing import Any

CHUNKS = 64
FIRST_WORD = b"word0 "
_DELAY_SECONDS = float(os.environ.get("UPSTREAM_DELAY_MS", "0")) / 1000


def _event(choices: list[dict[str, Any]], **more: Any) -> bytes:
    head = {"id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1767225600, "model": "stub"}
    return b"data: " + json.dumps({**head, "choices": choices, **more}).encode() + b"\n\n"


def _delta(delta: dict[str, str], finish_reason: str | None = None) -> bytes:
    return _event([{"index": 0, "delta": delta, "finish_reason": finish_reason}])


_USAGE = {"prompt_tokens": 500, "completion_tokens": CHUNKS, "total_tokens": 500 + CHUNKS}
HEAD = _delta({"role": "assistant", "content": ""})
WORDS = [_delta({"content": f"word{i} "}) for i in range(CHUNKS)]
TAIL = _delta({}, "stop") + _event([], usage=_USAGE) + b"data: [DONE]\n\n"


async def app(scope: Any, receive: Any, send: Any) -> None:
    """ASGI: GET answers 200 (to see whether it is up), POST streams the reply."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if scope["method"] == "POST":
        await send({"type": "http.response.body", "body": HEAD, "more_body": True})
        for word in WORDS:
            if _DELAY_SECONDS:
                await asyncio.sleep(_DELAY_SECONDS)
            await send({"type": "http.response.body", "body": word, "more_body": True})
        await send({"type": "http.response.body", "body": TAIL, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
