"""The stream of a turn over a real socket, event by event."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from conversation_engine.domains.llm.errors import OverloadedError
from conversation_engine.domains.llm.types import TokenUsage
from conversation_engine.engine.settings import Settings
from conversation_engine.infra.web.event_stream import wants_event_stream
from conversation_engine.testing import Fail, Pause, Say, ScriptedModel
from tests.conftest import until
from tests.http.scenes import (
    EVENT_STREAM,
    Event,
    Serve,
    ServedApp,
    conversation_of,
    events_in,
    followed,
    new_conversation,
    streamed,
    text_of,
)

WAVE = "🌊 é\u0301 \r\n\u2028 data: x\n\nid: 7\n"
"""Code points beyond 16 bits, combining ones, and every line break that could end an event too early."""


@pytest.fixture
async def served(serve: Serve, settings: Settings) -> ServedApp:
    return await serve(settings)


def tasks_of_requests() -> list[asyncio.Task[object]]:
    """The server's tasks that answer a request."""
    return [
        task for task in asyncio.all_tasks() if "run_asgi" in repr(task.get_coro()) or task.get_name() == "event-stream"
    ]


@contextlib.asynccontextmanager
async def raw_stream(
    served: ServedApp, conversation_id: str
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """The bytes of a streamed turn, read by hand."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    body = json.dumps({"content": "Hello"}).encode()
    writer.write(
        f"POST /conversations/{conversation_id}/turns HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {served.token}\r\n"
        f"Accept: text/event-stream\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    try:
        yield reader, writer
    finally:
        writer.close()


class TestProtocol:
    async def test_a_turn_is_started_said_and_completed(self, served: ServedApp, model: ScriptedModel) -> None:
        pieces = ["Hel", "lo ", WAVE, "!"]
        model.then(*(line for piece in pieces for line in (Say(piece), Pause(0.05))))
        model._usage = TokenUsage(
            input_tokens=7, cached_tokens=2, output_tokens=5, cache_write_tokens=1, reasoning_tokens=4
        )
        conversation_id = (await new_conversation(served.client))["id"]
        started, *deltas, completed = await streamed(served.client, conversation_id, "Hello")

        assert (started.name, started.id, started.data["state"]) == ("turn.started", 0, "running")
        assert (started.data["message"], started.data["finished_at"]) == (None, None)
        assert {delta.name for delta in deltas} == {"reply.delta"}
        assert len(deltas) > 1
        length = 0
        for delta in deltas:
            length += len(delta.data["text"])
            assert delta.data == {"offset": length, "text": delta.data["text"]}
            assert delta.id == length
        assert text_of(deltas) == "".join(pieces)
        assert (completed.name, completed.id, completed.data["state"]) == ("turn.completed", length, "completed")
        assert completed.data["message"]["content"] == "".join(pieces)
        assert completed.data["message"]["id"] == started.data["reply_message_id"]
        assert completed.data["usage"] == {
            "input_tokens": 7,
            "cached_tokens": 2,
            "cache_write_tokens": 1,
            "output_tokens": 5,
            "reasoning_tokens": 4,
            "source": "provider",
        }
        [attempt] = completed.data["attempts"]
        assert (attempt["usage"], attempt["cost"]) == (completed.data["usage"], None)
        assert "cost" in completed.data
        stored = await conversation_of(served.client, conversation_id)
        assert stored["messages"][-1] == completed.data["message"]

    async def test_the_headers_keep_every_proxy_from_holding_it_back(self, served: ServedApp) -> None:
        path = f"/conversations/{(await new_conversation(served.client))['id']}/turns"
        request = served.client.stream("POST", path, json={"content": "Hello"}, headers=EVENT_STREAM)
        async with request as response:
            headers = response.headers
            assert headers["content-type"] == "text/event-stream; charset=utf-8"
            assert headers["cache-control"] == "no-cache"
            assert headers["x-accel-buffering"] == "no"
            assert "content-length" not in headers
            first = await anext(events_in(response))
        assert headers["location"] == f"{path}/{first.data['id']}"

    async def test_words_arrive_while_the_model_speaks(self, served: ServedApp, model: ScriptedModel) -> None:
        model.then(Say("first"), Pause(30))
        path = f"/conversations/{(await new_conversation(served.client))['id']}/turns"
        async with (
            asyncio.timeout(10),
            served.client.stream("POST", path, json={"content": "Hello"}, headers=EVENT_STREAM) as response,
        ):
            names = []
            async for event in events_in(response):
                names.append(event.name)
                if event.name == "reply.delta":
                    break
        assert names == ["turn.started", "reply.delta"]

    async def test_silence_is_broken_by_comments(self, serve: Serve, settings: Settings, model: ScriptedModel) -> None:
        served = await serve(settings.model_copy(update={"heartbeat_seconds": 0.1}))
        model.then(Say("So"), Pause(0.6), Say(" be it"))
        events = await streamed(served.client, (await new_conversation(served.client))["id"], "Hello")
        beats = [event for event in events if event.name is None]
        assert len(beats) >= 2
        assert {event.raw for event in beats} == {": heartbeat"}
        assert text_of(events) == "So be it"

    async def test_a_model_that_breaks_off_fails_the_turn_and_keeps_its_beginning(
        self, served: ServedApp, model: ScriptedModel
    ) -> None:
        model.then(Say("Half a"), Fail(OverloadedError("vendor's words")))
        conversation_id = (await new_conversation(served.client))["id"]
        events = await streamed(served.client, conversation_id, "Hello")
        assert events[-1].name == "turn.failed"
        assert events[-1].data["error"]["code"] == "model_overloaded"
        assert events[-1].data["message"]["status"] == "partial"
        assert (text_of(events), events[-1].id) == ("Half a", 6)
        assert "vendor" not in events[-1].raw

    async def test_cancelling_ends_the_stream_with_its_beginning(self, served: ServedApp, model: ScriptedModel) -> None:
        model.then(Say("Half a"), Pause(60))
        path = f"/conversations/{(await new_conversation(served.client))['id']}/turns"
        request = served.client.stream("POST", path, json={"content": "Hello"}, headers=EVENT_STREAM)
        async with asyncio.timeout(10), request as response:
            stream = events_in(response)
            started, _ = [event async for event in _first(stream, 2)]
            cancelled = await served.client.post(f"{path}/{started.data['id']}/cancel")
            events = [event async for event in stream]
        assert events[-1].name == "turn.cancelled"
        assert events[-1].data == cancelled.json()
        assert cancelled.json()["message"]["content"] == "Half a"
        assert model.closed == 1

    async def test_a_conversation_deleted_meanwhile_ends_the_stream_with_an_error(
        self, served: ServedApp, model: ScriptedModel
    ) -> None:
        model.then(Say("Half a"), Pause(0.4), Say(" reply"))
        conversation_id = (await new_conversation(served.client))["id"]
        path = f"/conversations/{conversation_id}"
        request = served.client.stream("POST", f"{path}/turns", json={"content": "Hello"}, headers=EVENT_STREAM)
        async with asyncio.timeout(10), request as response:
            events = []
            async for event in events_in(response):
                events.append(event)
                if len(events) == 2:
                    assert (await served.client.delete(path)).status_code == 204
        assert (events[-1].name, events[-1].data["code"]) == ("error", "conversation_not_found")


class TestResuming:
    @pytest.fixture
    async def turn(self, served: ServedApp, model: ScriptedModel) -> dict[str, Any]:
        """A turn that is over: its reply has 6 code points."""
        model.then(Say("🌍🌎"), Say("🌏abc"))
        created = await new_conversation(served.client)
        events = await streamed(served.client, created["id"], "Hello")
        ended: dict[str, Any] = events[-1].data
        return ended

    async def test_after_the_end_the_rest_is_told(self, served: ServedApp, turn: dict[str, Any]) -> None:
        for options, text in (
            ({}, "🌍🌎🌏abc"),
            ({"params": {"after": 0}}, "🌍🌎🌏abc"),
            ({"params": {"after": 2}}, "🌏abc"),
            ({"headers": {"Last-Event-ID": "3"}}, "abc"),
            ({"headers": {"Last-Event-ID": "3"}, "params": {"after": 5}}, "c"),
            ({"params": {"after": 6}}, ""),
            ({"params": {"after": 10**30}}, ""),
        ):
            events = await followed(served.client, turn, **options)
            assert events[0].name == "turn.started"
            assert text_of(events) == text, options
            assert (events[-1].name, events[-1].data) == ("turn.completed", turn)

    async def test_during_the_reply_each_watcher_gets_all_that_it_lacks(
        self, served: ServedApp, model: ScriptedModel
    ) -> None:
        model.then(Say("0123456789"), *(line for n in range(5) for line in (Pause(0.1), Say(f"[{n}]"))))
        whole = "0123456789[0][1][2][3][4]"
        path = f"/conversations/{(await new_conversation(served.client))['id']}/turns"
        request = served.client.stream("POST", path, json={"content": "Hello"}, headers=EVENT_STREAM)
        async with request as response:
            seen = [event async for event in _first(events_in(response), 2)]
        turn, offset = seen[0].data, seen[-1].id or 0
        assert 10 <= offset < len(whole)
        resumed, from_start, again = await asyncio.gather(
            followed(served.client, turn, headers={"Last-Event-ID": str(offset)}),
            followed(served.client, turn),
            followed(served.client, turn, params={"after": 4}),
        )
        assert text_of(seen) + text_of(resumed) == whole
        assert text_of(from_start) == whole
        assert text_of(again) == whole[4:]
        assert resumed[-1].data == from_start[-1].data == again[-1].data


class TestClientsThatLeave:
    async def test_the_turn_completes_and_the_server_forgets_the_client(
        self, served: ServedApp, model: ScriptedModel
    ) -> None:
        model.then(Say("Half a"), Pause(1.0), Say(" reply"))
        conversation_id = (await new_conversation(served.client))["id"]
        async with raw_stream(served, conversation_id) as (reader, writer):
            await reader.readuntil(b"reply.delta")
            writer.transport.abort()
        await until(lambda: not tasks_of_requests(), seconds=0.8)  # it does not wait for the model's next word
        await until(lambda: not [task for task in asyncio.all_tasks() if task.get_name().startswith("turn-0")])
        stored = await conversation_of(served.client, conversation_id)
        assert stored["messages"][-1]["content"] == "Half a reply"
        assert stored["messages"][-1]["status"] == "complete"

    async def test_one_that_leaves_the_json_door_changes_nothing_either(
        self, served: ServedApp, model: ScriptedModel
    ) -> None:
        model.then(Pause(0.4), Say("Answered all the same"))
        conversation_id = (await new_conversation(served.client))["id"]
        with pytest.raises(httpx2.ReadTimeout):
            await served.client.post(f"/conversations/{conversation_id}/turns", json={"content": "Hi"}, timeout=0.2)
        stored = await _answered(served, conversation_id)
        assert stored["messages"][-1]["content"] == "Answered all the same"

    async def test_a_slow_reader_gets_everything_and_holds_nobody_up(
        self, served: ServedApp, model: ScriptedModel
    ) -> None:
        reply = [f"{n:06}" * 2000 for n in range(400)]  # 4.8 MB: more than the socket's buffers hold
        model.then(*map(Say, reply))
        conversation_id = (await new_conversation(served.client))["id"]
        async with asyncio.timeout(60), raw_stream(served, conversation_id) as (reader, _):
            await reader.readuntil(b"reply.delta")
            stored = await _answered(served, conversation_id)
            assert stored["messages"][-1]["content"] == "".join(reply)
            rest = b""
            while not rest.endswith(b"\r\n0\r\n\r\n"):
                rest += await reader.read(65_536)
        assert rest.count(b"event: turn.completed") == 1

    async def test_many_that_leave_leak_nothing(self, served: ServedApp, model: ScriptedModel) -> None:
        conversations = [(await new_conversation(served.client))["id"] for _ in range(20)]
        for conversation_id in conversations:
            async with raw_stream(served, conversation_id) as (reader, writer):
                await reader.readuntil(b"turn.started")
                writer.transport.abort()
        await until(lambda: not tasks_of_requests())
        await until(lambda: not [task for task in asyncio.all_tasks() if task.get_name().startswith("turn-0")])
        for conversation_id in conversations:
            assert (await conversation_of(served.client, conversation_id))["message_count"] == 2


class TestTheTwoDoors:
    @pytest.mark.parametrize(
        ("accept", "is_stream"),
        [
            ([], False),
            (["*/*"], False),
            (["application/json"], False),
            (["text/*"], False),
            (["text/event-stream"], True),
            (["Text/Event-Stream; charset=utf-8"], True),
            (["application/json, text/event-stream"], True),
            (["application/json", "text/event-stream"], True),
            (["text/event-stream;q=0"], False),
            (["application/json;q=1, text/event-stream;q=0"], False),
            (["application/json;q=1, text/event-stream;q=0.9"], False),
            (["application/json;q=0.1,text/event-stream ; q=0.2"], True),
            (["text/event-streams"], False),
            (["x/text/event-stream"], False),
            (["text/event-stream;q=nonsense"], True),
            ([",,;;q=;,"], False),
        ],
    )
    def test_the_accept_header_chooses(self, accept: list[str], is_stream: bool) -> None:
        assert wants_event_stream(accept) is is_stream

    @pytest.mark.parametrize("accept", ["application/json;q=1, text/event-stream;q=0", "*/*"])
    async def test_json_comes_when_the_turn_is_over(self, ada: httpx2.AsyncClient, accept: str) -> None:
        path = f"/conversations/{(await new_conversation(ada))['id']}/turns"
        response = await ada.post(path, json={"content": "Ahoy"}, headers={"Accept": accept})
        assert response.status_code == 201
        assert response.headers["content-type"] == "application/json"
        assert response.headers["location"] == f"{path}/{response.json()['id']}"
        assert response.json()["message"]["content"] == "Ahoy"
        assert response.json()["state"] == "completed"

    async def test_a_conversation_answers_one_at_a_time(self, served: ServedApp, model: ScriptedModel) -> None:
        model.then(Say("Wait"), Pause(0.5))
        path = f"/conversations/{(await new_conversation(served.client))['id']}/turns"
        request = served.client.stream("POST", path, json={"content": "Hello"}, headers=EVENT_STREAM)
        async with request as response:
            first = await anext(events_in(response))
            refused = await served.client.post(path, json={"content": "And?"})
        assert (refused.status_code, refused.json()["code"]) == (409, "turn_in_progress")
        assert refused.json()["turn_id"] == first.data["id"]
        assert refused.headers["retry-after"] == "1"


async def _answered(served: ServedApp, conversation_id: str) -> dict[str, Any]:
    """The conversation as soon as its first reply is stored."""
    async with asyncio.timeout(20):
        while (stored := await conversation_of(served.client, conversation_id))["message_count"] < 2:
            await asyncio.sleep(0.02)
    return stored


async def _first(events: AsyncIterator[Event], count: int) -> AsyncIterator[Event]:
    async for event in events:
        yield event
        count -= 1
        if not count:
            return
