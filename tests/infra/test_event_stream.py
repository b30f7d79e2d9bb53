"""What of a stream goes over the socket, write by write."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from conversation_engine.infra.web.event_stream import EventStreamResponse, LastFrame


async def bodies(*frames: bytes) -> list[tuple[bytes, bool]]:
    """What is sent after the headers: the data, and whether more will come."""
    sent: list[dict[str, Any]] = []

    async def given() -> AsyncGenerator[bytes, None]:
        for data in frames:
            yield data

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        while len(sent) < 2 or sent[-1].get("more_body"):
            await asyncio.sleep(0)
        return {"type": "http.disconnect"}

    await EventStreamResponse(given())({"type": "http"}, receive, send)
    return [(message["body"], message.get("more_body", False)) for message in sent[1:]]


async def test_the_last_frame_leaves_with_the_end_of_the_body() -> None:
    assert await bodies(b"one", LastFrame(b"two")) == [(b"one", True), (b"two", False)]


async def test_a_stream_that_does_not_know_its_last_frame_ends_with_nothing() -> None:
    assert await bodies(b"one", b"two") == [(b"one", True), (b"two", True), (b"", False)]


async def test_nothing_comes_after_the_last_frame() -> None:
    assert await bodies(LastFrame(b"one"), b"two") == [(b"one", False)]
