"""`client.turns`."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Final, Literal, TypedDict, Unpack

from pydantic import TypeAdapter

from conversation_engine.client.connection import Call, Connection, changing
from conversation_engine.client.conversations import path_of
from conversation_engine.client.following import TURN, Following
from conversation_engine.client.types import (
    Content,
    Turn,
    TurnEnded,
    TurnEvent,
    TurnStarted,
    TurnState,
    TurnSummary,
    Window,
)
from conversation_engine.kernel.paging import Page

_TURNS: Final = TypeAdapter(Page[TurnSummary])
_WINDOW: Final = TypeAdapter(Window)


class Answering(TypedDict, total=False):
    """How something is to be answered; what is not named is as the conversation or the server says."""

    model: str
    temperature: float
    top_p: float
    max_tokens: int
    stop: Sequence[str]
    seed: int
    on_busy: Literal["reject", "queue", "interrupt"]
    """What becomes of the turn where another one still runs."""
    window: Mapping[str, Any]
    message_metadata: Mapping[str, Any]
    """Stored with what is said."""


class Turns:
    """Questions and answers. Each is stored by the server, and goes on there whether or not anybody listens."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def stream(
        self, conversation_id: str, content: Content, *, key: str | None = None, **answering: Unpack[Answering]
    ) -> AsyncGenerator[TurnEvent, None]:
        """Say something and hear the reply while it is said: `TurnStarted`, `ReplyDelta` …, `TurnEnded`.

        A connection that breaks is made again, and the reply goes on at the very character where it broke. With the
        same `key` the same turn is told again, from its beginning. A turn that fails ends with `TurnEnded`; what
        cannot begin raises ClientError, and so does a server that stays away. Who leaves before the end closes it
        (`contextlib.aclosing`); the turn goes on.
        """
        body = {"content": content, **answering}
        return self.stream_at(path_of(conversation_id, "turns"), body, key=key)

    def edit(
        self,
        conversation_id: str,
        message_id: str,
        content: Content,
        *,
        key: str | None = None,
        **answering: Unpack[Answering],
    ) -> AsyncGenerator[TurnEvent, None]:
        """Say one of the user's messages otherwise; as `stream`. The old one stays beside it."""
        path = path_of(conversation_id, "messages", message_id, "edit")
        return self.stream_at(path, {"content": content, **answering}, key=key)

    def regenerate(
        self, conversation_id: str, message_id: str, *, key: str | None = None, **answering: Unpack[Answering]
    ) -> AsyncGenerator[TurnEvent, None]:
        """Have a reply said anew, or a message answered again; as `stream`. The old reply stays beside it."""
        path = path_of(conversation_id, "messages", message_id, "regenerate")
        return self.stream_at(path, dict(answering), key=key)

    def stream_at(
        self, path: str, body: Mapping[str, Any], *, key: str | None = None
    ) -> AsyncGenerator[TurnEvent, None]:
        """As `stream`, at another path that begins turns, with its body: `/sessions/{id}/messages`, …"""
        return Following(self._connection, beginning=changing("POST", path, body, key=key)).events()

    async def begin_at(self, path: str, body: Mapping[str, Any], *, key: str | None = None) -> Turn:
        """Begin one there and let it go on: the turn, as soon as what was said is stored."""
        async with aclosing(self.stream_at(path, body, key=key)) as events:
            async for event in events:
                if isinstance(event, TurnStarted):
                    return event.turn
        raise AssertionError("a stream begins with TurnStarted")

    async def say(
        self, conversation_id: str, content: Content, *, key: str | None = None, **answering: Unpack[Answering]
    ) -> Turn:
        """Say something and wait for the end of the turn, however it ends: see `Turn.state`."""
        return await ended(self.stream(conversation_id, content, key=key, **answering))

    def follow(self, conversation_id: str, turn_id: str, *, after: int = 0) -> AsyncGenerator[TurnEvent, None]:
        """A turn from an offset on: at any time, any number of times; as `stream`."""
        following = Following(self._connection, conversation_id=conversation_id, turn_id=turn_id, after=after)
        return following.events()

    async def get(self, conversation_id: str, turn_id: str) -> Turn:
        """A turn as it is now."""
        call = Call(method="GET", path=path_of(conversation_id, "turns", turn_id))
        return await self._connection.answer(call, TURN)

    async def list(
        self,
        conversation_id: str,
        *,
        state: TurnState | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[TurnSummary]:
        """A page of a conversation's turns, newest first."""
        query = {"state": state, "cursor": cursor, "limit": limit}
        call = Call(method="GET", path=path_of(conversation_id, "turns"), query=query)
        return await self._connection.answer(call, _TURNS)

    async def cancel(self, conversation_id: str, turn_id: str) -> Turn:
        """Stop a turn and keep the beginning of its reply. One that has ended is returned as it is."""
        call = changing("POST", path_of(conversation_id, "turns", turn_id, "cancel"), key=None)
        return await self._connection.answer(call, TURN)

    async def window(self, conversation_id: str, query: str | None = None, *, model: str | None = None) -> Window:
        """What the model would be shown if `query` were said now, without saying it or calling the model."""
        call = Call(method="GET", path=path_of(conversation_id, "context"), query={"query": query, "model": model})
        return await self._connection.answer(call, _WINDOW)


async def ended(events: AsyncIterator[TurnEvent]) -> Turn:
    """How a turn ended, when its events have been heard."""
    async for event in events:
        if isinstance(event, TurnEnded):
            return event.turn
    raise AssertionError("a stream ends with TurnEnded")
