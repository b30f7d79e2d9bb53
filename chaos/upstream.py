"""A model service with bad days, in the OpenAI dialect: what it does to the n-th request is drawn from a seed.

No two calls say the same: a reply pieced together from two calls would be seen.
"""

import asyncio
import itertools
import json
import logging
import os
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

WORDS_MOST = 80
DELAY_SECONDS = 0.01
SLOW_DELAY_SECONDS = 0.04
HANG_SECONDS = 30.0
_ENDINGS = ("", "é", "ß\u0301", "👩\u200d💻", "\r\n", "中", "\u2028", '"\\')
_GARBAGE = (
    b"data: {not json\n\n",
    b'data: {"choices": 7}\n\n',
    b'data: {"choices": [{"delta": {"content": 5}}]}\n\n',
    b"data: \xff\xfe\xfd\n\n",
    b"<html>502 Bad Gateway</html>\n\n",
)
_numbers = itertools.count(1)
_SEED = os.environ.get("CHAOS_SEED", "1")

Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]


class StreamTornError(Exception):
    """Raised on purpose, so that the connection breaks in the middle of a chunk."""


class Reply:
    """One answer on its way out."""

    def __init__(self, number: int, *, receive: Receive, send: Send) -> None:
        self.random = Random(f"{_SEED}:{number}")
        self._number = number
        self._receive = receive
        self._send = send
        self._count = self.random.randint(1, WORDS_MOST)

    async def begin(self) -> None:
        """The status and the headers."""
        headers = [(b"content-type", b"text/event-stream")]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def say(self, *, words: int | None = None, delay_seconds: float = DELAY_SECONDS) -> None:
        """So many words, or all of them."""
        for index in range(self._count if words is None else words):
            await asyncio.sleep(delay_seconds)
            text = f"{self._number}.{index}{self.random.choice(_ENDINGS)} "
            await self.write(_chunk([{"index": 0, "delta": {"content": text}, "finish_reason": None}]))

    async def say_some(self) -> None:
        """The beginning of a reply."""
        await self.begin()
        await self.say(words=self.random.randint(0, self._count))

    async def finish(self) -> None:
        """The end of a good reply."""
        usage = {"prompt_tokens": 50, "completion_tokens": self._count, "total_tokens": 50 + self._count}
        await self.write(_chunk([{"index": 0, "delta": {}, "finish_reason": "stop"}]))
        await self.write(_chunk([], usage=usage) + b"data: [DONE]\n\n")
        await self.close()

    async def write(self, data: bytes) -> None:
        """Bytes of the body."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def close(self) -> None:
        """No more bytes."""
        await self._send({"type": "http.response.body", "body": b""})

    async def refuse(self, status: int) -> None:
        """An error instead of an answer."""
        headers = [(b"content-type", b"application/json")]
        headers += [(b"retry-after", b"1")] if self.random.random() < 0.5 else []
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": b'{"error": {"message": "not now", "type": "busy"}}'})

    async def hang(self) -> None:
        """Nothing, until the caller has had enough."""
        try:
            async with asyncio.timeout(HANG_SECONDS):
                while (await self._receive())["type"] != "http.disconnect":
                    pass
        except TimeoutError:
            await self.close()


def _chunk(choices: list[dict[str, Any]], **more: Any) -> bytes:
    head = {"id": "chatcmpl-chaos", "object": "chat.completion.chunk", "created": 1767225600, "model": "stub"}
    return b"data: " + json.dumps({**head, "choices": choices, **more}).encode() + b"\n\n"


async def answer_well(reply: Reply) -> None:
    """All words at a good pace."""
    await reply.begin()
    await reply.say()
    await reply.finish()


async def answer_slowly(reply: Reply) -> None:
    """All words, four times slower: these are the turns that are hit most."""
    await reply.begin()
    await reply.say(delay_seconds=SLOW_DELAY_SECONDS)
    await reply.finish()


async def be_busy(reply: Reply) -> None:
    """429, 503 or 529."""
    await reply.refuse(reply.random.choice((429, 503, 529)))


async def hang_at_once(reply: Reply) -> None:
    """Not even a status."""
    await reply.hang()


async def hang_midway(reply: Reply) -> None:
    """A beginning, then silence."""
    await reply.say_some()
    await reply.hang()


async def cut(reply: Reply) -> None:
    """A beginning, then the stream is over as if it were done."""
    await reply.say_some()
    await reply.close()


async def tear(reply: Reply) -> None:
    """A beginning, then the connection breaks."""
    await reply.say_some()
    logging.getLogger("uvicorn.error").disabled = True  # it would print the exception
    raise StreamTornError


async def garble(reply: Reply) -> None:
    """A beginning, then what nobody can read, then more as if nothing had happened."""
    await reply.say_some()
    await reply.write(reply.random.choice(_GARBAGE))
    await reply.say(words=3)
    await reply.finish()


MOODS: dict[Callable[[Reply], Awaitable[None]], int] = {
    answer_well: 40,
    answer_slowly: 28,
    be_busy: 12,
    hang_at_once: 3,
    hang_midway: 3,
    cut: 5,
    tear: 4,
    garble: 5,
}
"""What it may do, and how often in a hundred. A new mood is a function and a line."""


async def app(scope: Any, receive: Receive, send: Send) -> None:
    """ASGI: GET answers 200 (to see whether it is up), POST answers as the seed says."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    if scope["method"] != "POST":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})
        return
    reply = Reply(next(_numbers), receive=receive, send=send)
    [mood] = reply.random.choices(list(MOODS), list(MOODS.values()))
    await mood(reply)
