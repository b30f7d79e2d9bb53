"""Server-sent events as a client reads them."""

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

import aiohttp


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event of a turn's stream."""

    name: str
    data: dict[str, Any]
    offset: int | None
    """Its id."""


async def events_of(answer: aiohttp.ClientResponse) -> AsyncGenerator[Event, None]:
    """The events of a stream, until it is over, complete or not. A half event at the end is none."""
    fields: dict[str, str] = {}
    async for raw in answer.content:
        line = raw.decode().rstrip("\n")
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
            continue
        if "event" in fields:
            offset = int(fields["id"]) if "id" in fields else None
            yield Event(name=fields["event"], data=json.loads(fields["data"]), offset=offset)
        fields = {}
