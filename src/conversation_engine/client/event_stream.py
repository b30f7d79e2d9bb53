"""Reading server-sent events (WHATWG HTML, section 9.2) as this API writes them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pydantic_core


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One server-sent event; a comment, which is a sign of life, has no name."""

    name: str | None
    data: Any = None


class EventReader:
    """Bytes in, events out, however the bytes are cut.

    Lines end with `\\n` alone, as the API writes them: the lines of an HTTP library end at U+2028 and its like, too,
    and what a model says may hold those.
    """

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events that are complete with `data`. Raises ValueError for data that are no JSON."""
        *blocks, self._rest = (self._rest + data).split(b"\n\n")
        return map(_event, blocks)


def _event(block: bytes) -> Event:
    fields = dict(_field(line) for line in block.split(b"\n"))
    name = fields.get(b"event")
    if name is None or b"data" not in fields:
        return Event(name=None)
    return Event(name=name.decode(), data=pydantic_core.from_json(fields[b"data"]))


def _field(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b":")
    return name, value.removeprefix(b" ")
