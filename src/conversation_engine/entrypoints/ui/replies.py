"""A reply while it is said: what a page shows of it, as often as an eye can follow."""

import queue
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

import httpx2

from conversation_engine.client.event_stream import Event, EventReader
from conversation_engine.entrypoints.ui.api import Api, ApiError, Json

LOOK_SECONDS: Final = 0.05
"""Twenty looks a second: words come one by one, and each look costs the browser a rendering."""
RECONNECTS: Final = 8
RECONNECT_SECONDS: Final = 0.5
ENDS: Final = frozenset({"turn.completed", "turn.failed", "turn.cancelled", "turn.interrupted"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A reply as far as it is said."""

    text: str
    turn: Json | None = None
    """The turn when it has ended, however it did."""


def begin(api: Api, path: str, body: Json, *, key: str | None = None) -> Json:
    """Have something answered: the turn, as soon as what was said is stored. It goes on, whoever looks."""
    headers = {"Idempotency-Key": key or str(uuid4())}
    with api.stream("POST", path, json=body, headers=headers) as response:
        for event in events_in(response):
            if event.name == "error":
                raise _broken(event)
            turn: Json = event.data
            return turn
    raise ApiError("unreachable", "The server did not begin to answer. Try again.")


def follow(api: Api, conversation_id: str, turn_id: str) -> Iterator[Reply]:
    """The reply of a turn from its first word on, with a look at least every `LOOK_SECONDS`, until it has ended.

    A connection that breaks is made again from where it broke.
    """
    path = f"/conversations/{conversation_id}/turns/{turn_id}/events"
    text = ""
    for attempt in range(RECONNECTS):
        with _Reading(api, path, after=len(text)) as reading:
            for events in reading.looks():
                for event in events:
                    text = _with(text, event)
                    if event.name in ENDS:
                        yield Reply(text=text, turn=event.data)
                        return
                yield Reply(text=text)
        time.sleep(RECONNECT_SECONDS * (attempt > 0))
    raise ApiError("unreachable", "The connection to the reply was lost. It goes on; load the page again to see it.")


def events_in(response: httpx2.Response) -> Iterator[Event]:
    """The events of a stream; its heartbeats are nothing."""
    reader = EventReader()
    for data in response.iter_bytes():
        for event in reader.feed(data):
            if event.name is not None:
                yield event


def _with(text: str, event: Event) -> str:
    match event.name:
        case "reply.delta":
            piece = str(event.data["text"])
            return text[: int(event.data["offset"]) - len(piece)] + piece
        case "turn.restarted":
            return ""
        case "error":
            raise _broken(event)
    return text


def _broken(event: Event) -> ApiError:
    return ApiError(str(event.data.get("code", "unknown")), str(event.data.get("detail", "The reply broke off.")))


class _Reading:
    """Reads a stream on a thread, so that a page can be stopped while nothing comes."""

    def __init__(self, api: Api, path: str, *, after: int) -> None:
        self._api = api
        self._path = path
        self._after = after
        self._events: queue.SimpleQueue[Event | ApiError | None] = queue.SimpleQueue()
        self._response: httpx2.Response | None = None
        self._is_over = False
        self._holding = threading.Lock()
        """Held to hang up, and to let go of a connection: what another request uses by then must not be cut."""
        self._thread = threading.Thread(target=self._read, daemon=True, name="reply-reader")

    def __enter__(self) -> "_Reading":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._holding:
            self._is_over = True
            if self._response is not None:
                _hang_up(self._response)

    def looks(self) -> Iterator[list[Event]]:
        """What came since the last look, until the connection ends. Raises ApiError for a refusal."""
        while True:
            found = [*self._first(), *self._rest()]
            yield [event for event in found if isinstance(event, Event)]
            for event in found:
                if isinstance(event, ApiError) and event.code != "unreachable":
                    raise event
                if not isinstance(event, Event):
                    return

    def _first(self) -> Iterator[Event | ApiError | None]:
        try:
            yield self._events.get(timeout=LOOK_SECONDS)
        except queue.Empty:
            return
        time.sleep(LOOK_SECONDS / 2)  # let a few more words come

    def _rest(self) -> Iterator[Event | ApiError | None]:
        while not self._events.empty():
            yield self._events.get()

    def _read(self) -> None:
        try:
            with self._api.stream("GET", self._path, params={"after": self._after}) as response:
                self._take(response)
                try:
                    for event in events_in(response):
                        self._events.put(event)
                finally:
                    self._let_go()
        except ApiError as error:
            self._events.put(error)
        self._events.put(None)

    def _take(self, response: httpx2.Response) -> None:
        with self._holding:
            self._response = response
            if self._is_over:
                _hang_up(response)

    def _let_go(self) -> None:
        with self._holding:
            self._response = None


def _hang_up(response: httpx2.Response) -> None:
    """Wake the thread that reads: closing a response does not."""
    stream = response.extensions.get("network_stream")
    connection = stream.get_extra_info("socket") if stream is not None else None
    if isinstance(connection, socket.socket):
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it has ended by itself
