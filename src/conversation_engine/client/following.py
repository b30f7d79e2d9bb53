"""One turn's events, over as many connections as it takes."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from http import HTTPStatus
from typing import Final

import httpx2
from pydantic import TypeAdapter

from conversation_engine.client.connection import Call, Connection
from conversation_engine.client.conversations import path_of
from conversation_engine.client.errors import BrokenAnswerError, ClientError, UnreachableError, refusal_of
from conversation_engine.client.event_stream import Event, EventReader
from conversation_engine.client.types import (
    ENDS,
    ReplyDelta,
    ToolCallBegun,
    ToolCallDelta,
    Turn,
    TurnEnded,
    TurnEvent,
    TurnRestarted,
    TurnStarted,
)

TURN: Final = TypeAdapter(Turn)
_STREAM: Final = {"Accept": "text/event-stream"}
_ENDS: Final = frozenset(f"turn.{state}" for state in ENDS)


class Following:
    """Knows how much of a reply was heard, and asks for the rest. The texts of its deltas add up to the reply."""

    def __init__(
        self,
        connection: Connection,
        *,
        conversation_id: str | None = None,
        beginning: Call | None = None,
        turn_id: str | None = None,
        after: int = 0,
    ) -> None:
        """`beginning` begins the turn, and is sent again until its id is known; or else there are the ids."""
        self._connection = connection
        self._conversation_id = conversation_id
        self._beginning = beginning
        self._turn_id = turn_id
        self._heard = after
        self._attempt: int | None = None

    async def events(self) -> AsyncGenerator[TurnEvent, None]:
        """`TurnStarted`, …, `TurnEnded`. Raises ClientError."""
        failures = 0
        while True:
            try:
                async with self._opened() as response:
                    async for event in _events_in(response):
                        failures = 0 if event.name != "turn.started" else failures
                        for told in self._understood(event):
                            yield told
                            if isinstance(told, TurnEnded):
                                return
                raise UnreachableError(self._connection.url)  # it ended in the middle
            except ClientError as error:
                failures += 1
                await self._connection.pause_after(error, failures=failures)

    def _opened(self) -> AbstractAsyncContextManager[httpx2.Response]:
        if self._turn_id is None or self._conversation_id is None:
            if self._beginning is None:
                raise AssertionError("a turn is begun or known")
            call = replace(self._beginning, headers={**self._beginning.headers, **_STREAM})
        else:
            path = path_of(self._conversation_id, "turns", self._turn_id, "events")
            call = Call(method="GET", path=path, query={"after": self._heard}, headers=_STREAM)
        return self._connection.opened(call)

    def _understood(self, event: Event) -> list[TurnEvent]:
        try:
            return list(self._told(event))
        except (ValueError, KeyError, TypeError) as error:
            raise BrokenAnswerError(HTTPStatus.OK) from error

    def _told(self, event: Event) -> Iterator[TurnEvent]:
        match event.name:
            case "turn.started":
                yield from self._started(TURN.validate_python(event.data))
            case "turn.restarted":
                yield from self._restarted(TURN.validate_python(event.data))
            case "reply.delta":
                yield from self._said(event.data["text"], event.data["offset"])
            case "reply.tool_call":
                yield from self._called(ToolCallBegun(**event.data))
            case "reply.tool_call_delta":
                yield from self._called(ToolCallDelta(**event.data))
            case "error":
                raise refusal_of(event.data, status=event.data.get("status", 500))
            case str(name) if name in _ENDS:
                yield TurnEnded(turn=TURN.validate_python(event.data))

    def _started(self, turn: Turn) -> Iterator[TurnEvent]:
        self._turn_id, self._conversation_id = turn.id, turn.conversation_id
        if self._attempt is None:
            self._attempt = turn.attempt
            yield TurnStarted(turn=turn)

    def _restarted(self, turn: Turn) -> Iterator[TurnEvent]:
        """The server says it at every resumption; what matters is whether this attempt was heard of."""
        if turn.attempt != self._attempt:
            self._attempt, self._heard = turn.attempt, 0
            yield TurnRestarted(turn=turn)

    def _called(self, event: ToolCallBegun | ToolCallDelta) -> Iterator[TurnEvent]:
        if event.offset > self._heard:
            self._heard = event.offset
            yield event

    def _said(self, text: str, offset: int) -> Iterator[TurnEvent]:
        """Where tools are called, offsets count more than the text: what is new is at most all of it."""
        new = offset - self._heard
        if new > 0:
            self._heard = offset
            yield ReplyDelta(text=text[max(0, len(text) - new) :], offset=offset)


async def _events_in(response: httpx2.Response) -> AsyncGenerator[Event, None]:
    reader = EventReader()
    async for data in response.aiter_bytes():
        try:
            for event in reader.feed(data):
                yield event
        except ValueError as error:
            raise BrokenAnswerError(response.status_code) from error
