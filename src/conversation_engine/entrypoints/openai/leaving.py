"""Callers who hang up before they are answered."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from fastapi import Request

T = TypeVar("T")
GONE: Final = 499
"""The status of an answer that nobody hears; nginx's number."""


async def unless_gone(request: Request, answer: Coroutine[Any, Any, T]) -> T | None:
    """What `answer` gives; `None`, and `answer` cancelled, when the caller is gone first."""
    answering = asyncio.create_task(answer)
    leaving = asyncio.create_task(_gone(request))
    try:
        await asyncio.wait([answering, leaving], return_when=asyncio.FIRST_COMPLETED)
        return answering.result() if answering.done() else None
    finally:
        for task in (answering, leaving):
            task.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
