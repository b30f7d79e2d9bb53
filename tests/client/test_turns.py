"""Turns through the client: heard to the end, whatever happens to the connection."""

from collections.abc import Iterator
from contextlib import aclosing

import pytest

from conversation_engine.client import (
    Client,
    Conversation,
    NotFoundError,
    ReplyDelta,
    TurnEnded,
    TurnEvent,
    TurnRestarted,
    TurnStarted,
    UnreachableError,
)
from conversation_engine.client.event_stream import EventReader
from conversation_engine.domains.llm.errors import OverloadedError
from conversation_engine.testing import Fail, Pause, Say, ScriptedModel
from tests.client.conftest import HASTE
from tests.client.scenes import wire_to
from tests.http.scenes import MISSING_ID
from tests.serving import SharedServer

WAVE = "🌊 é\u0301 \r\n\u2028 data: x\n\nid: 7\n\x85"
"""Code points beyond 16 bits, combining ones, and every line break that could end an event too early."""
PIECES = ["Hel", "lo ", WAVE, "and", " ", "on " * 40, WAVE, "."]
WHOLE = "".join(PIECES)


@pytest.fixture
def model(server: SharedServer) -> ScriptedModel:
    return server.model


def said_slowly() -> Iterator[Say | Pause]:
    for piece in PIECES:
        yield from (Say(piece), Pause(0.005))


def heard(events: list[TurnEvent]) -> str:
    """What somebody has on the screen who does what the events say."""
    text = ""
    for event in events:
        match event:
            case ReplyDelta(text=piece, offset=offset):
                text += piece
                assert len(text) == offset
            case TurnRestarted():
                text = ""
    return text


class TestStream:
    async def test_a_turn_is_started_said_and_ended(
        self, client: Client, conversation: Conversation, model: ScriptedModel
    ) -> None:
        model.then(*said_slowly())
        events = [event async for event in client.turns.stream(conversation.id, "Hello", max_tokens=400)]
        started, *deltas, ended = events
        assert isinstance(started, TurnStarted)
        assert isinstance(ended, TurnEnded)
        assert len(deltas) > 1
        assert heard(events) == ended.turn.text == WHOLE
        assert (started.turn.id, started.turn.is_over) == (ended.turn.id, False)
        assert (ended.turn.state, ended.turn.is_over, ended.turn.error) == ("completed", True, None)
        assert ended.turn.usage is not None
        assert ended.turn.usage.source == "estimated"
        assert [attempt.model for attempt in ended.turn.attempts] == ["test"]

    async def test_what_the_model_did_wrong_is_told_at_the_end(
        self, client: Client, conversation: Conversation, model: ScriptedModel
    ) -> None:
        model.then(Say("Half a"), Fail(OverloadedError()))
        turn = await client.turns.say(conversation.id, "Hello")
        assert (turn.state, turn.text) == ("failed", "Half a")
        assert turn.error is not None
        assert turn.error.code == "model_overloaded"

    async def test_what_cannot_begin_is_raised(self, client: Client) -> None:
        with pytest.raises(NotFoundError):
            await client.turns.say(MISSING_ID, "Hello")

    async def test_who_leaves_can_come_back(
        self, client: Client, conversation: Conversation, model: ScriptedModel
    ) -> None:
        model.then(*said_slowly())
        offset, turn_id = 0, ""
        async with aclosing(client.turns.stream(conversation.id, "Hello")) as events:
            async for event in events:
                if isinstance(event, TurnStarted):
                    turn_id = event.turn.id
                if isinstance(event, ReplyDelta):
                    offset = event.offset
                    break
        rest = [event async for event in client.turns.follow(conversation.id, turn_id, after=offset)]
        assert "".join(event.text for event in rest if isinstance(event, ReplyDelta)) == WHOLE[offset:]

    async def test_a_reply_can_be_stopped(
        self, client: Client, conversation: Conversation, model: ScriptedModel
    ) -> None:
        model.then(Say("Half a"), Pause(60))
        events = client.turns.stream(conversation.id, "Hello")
        started = await anext(events)
        assert isinstance(started, TurnStarted)
        await anext(events)
        stopped = await client.turns.cancel(conversation.id, started.turn.id)
        last = [event async for event in events][-1]
        assert isinstance(last, TurnEnded)
        assert last.turn == stopped == await client.turns.get(conversation.id, stopped.id)
        assert (stopped.state, stopped.text) == ("cancelled", "Half a")

    async def test_things_are_said_otherwise_and_answered_again(
        self, client: Client, conversation: Conversation
    ) -> None:
        first = await client.turns.say(conversation.id, "Tides?")
        assert first.user_message_id is not None
        events = [event async for event in client.turns.edit(conversation.id, first.user_message_id, "Ebb?")]
        assert heard(events) == "Ebb?"
        edited = events[-1]
        assert isinstance(edited, TurnEnded)
        events = [event async for event in client.turns.regenerate(conversation.id, edited.turn.reply_message_id)]
        assert heard(events) == "Ebb?"
        page = await client.turns.list(conversation.id, state="completed")
        assert len(page.items) == 3
        shown = await client.conversations.messages(conversation.id)
        assert [message.content for message in shown.items] == ["Ebb?", "Ebb?"]

    async def test_the_window_is_shown_without_a_call(
        self, client: Client, conversation: Conversation, model: ScriptedModel
    ) -> None:
        window = await client.turns.window(conversation.id, "What are tides?")
        assert [(message.role, message.content) for message in window.messages] == [("user", "What are tides?")]
        assert "budget_tokens" in window.manifest
        assert model.requests == []


class TestBrokenConnections:
    @pytest.mark.parametrize("cut", [1, 100, 300, 900, 1500, 1700, 2000])
    async def test_wherever_it_breaks_the_text_is_the_same_and_the_model_is_asked_once(
        self, server: SharedServer, client: Client, conversation: Conversation, *, cut: int
    ) -> None:
        server.model.then(*said_slowly())
        async with (
            wire_to(server.port, cut, 0, cut) as wire,
            Client(wire.url, token=server.token("ada"), patience=HASTE) as cut_off,
        ):
            events = [event async for event in cut_off.turns.stream(conversation.id, "Hello")]
        assert wire.connections > 2
        assert heard(events) == WHOLE
        assert [type(event) for event in events if not isinstance(event, ReplyDelta)] == [TurnStarted, TurnEnded]
        assert len(server.model.requests) == 1
        assert [one.content for one in (await client.conversations.messages(conversation.id)).items] == ["Hello", WHOLE]

    async def test_a_post_whose_answer_is_lost_is_not_done_twice(self, server: SharedServer, client: Client) -> None:
        token = server.token("lost")
        async with (
            wire_to(server.port, 40) as wire,
            Client(wire.url, token=token, patience=HASTE) as cut_off,
            Client(server.url, token=token) as direct,
        ):
            made = await cut_off.conversations.create(title="Once")
            assert [one.id async for one in direct.conversations.each()] == [made.id]
        assert wire.connections == 2
        keys = {
            line for request in wire.requests for line in request.split(b"\r\n") if b"idempotency-key" in line.lower()
        }
        assert len(keys) == 1

    async def test_a_server_that_stays_away_is_told_after_as_many_tries_as_were_allowed(
        self, server: SharedServer, conversation: Conversation
    ) -> None:
        async with (
            wire_to(server.port, *[0] * 20) as wire,
            Client(wire.url, token=server.token("ada"), patience=HASTE) as cut_off,
        ):
            with pytest.raises(UnreachableError) as lost:
                await cut_off.turns.say(conversation.id, "Hello")
            assert wire.connections == HASTE.tries
            assert wire.url in lost.value.detail


class TestEventReader:
    def test_however_the_bytes_are_cut_the_events_are_the_same(self) -> None:
        stream = ': heartbeat\n\nid: 3\nevent: reply.delta\ndata: {"text":"a\u2028é🌊"}\n\n'.encode()
        for at in range(len(stream) + 1):
            reader = EventReader()
            events = [*reader.feed(stream[:at]), *reader.feed(stream[at:])]
            assert [(event.name, event.data) for event in events] == [
                (None, None),
                ("reply.delta", {"text": "a\u2028é🌊"}),
            ]
