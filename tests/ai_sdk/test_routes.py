"""The UI message stream over a real socket, chunk by chunk."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from conversation_engine.domains.llm.errors import OverloadedError
from conversation_engine.domains.llm.parts import File, Image, Parts, Text, ToolResult
from conversation_engine.domains.llm.types import TokenUsage
from conversation_engine.testing import Call, Fail, Pause, Say, ScriptedModel
from tests.http.scenes import new_conversation, problem_in
from tests.serving import SharedServer

WEATHER = {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
OSLO_INPUT, ROME_INPUT = {"city": "Oslo"}, {"city": "Rome"}
OSLO = Call("weather", ('{"city": "Oslo"}',), "call_oslo")
ROME = Call("weather", ('{"city": "Rome"}',), "call_rome")
PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
IMAGE: dict[str, Any] = {"type": "file", "mediaType": "image/gif", "url": PIXEL}
PDF = {"type": "file", "mediaType": "application/pdf", "filename": "a.pdf"} | {
    "url": "data:application/pdf;base64,JVBERi0xLjQK"
}


def message(text: str, *, id: str = "m", role: str = "user") -> dict[str, Any]:
    return {"id": id, "role": role, "parts": [{"type": "text", "text": text}]}


def asked(chat: str, text: str = "Hello", **fields: Any) -> dict[str, Any]:
    """What `useChat` sends, with more than we look at."""
    return {"id": chat, "messages": [message(text)], "trigger": "submit-message", **fields}


def chunks_in(response: httpx2.Response) -> list[dict[str, Any]]:
    """Every chunk, and that the stream is whole."""
    assert response.status_code == 200, response.text
    assert response.headers["x-vercel-ai-ui-message-stream"] == "v1"
    assert response.headers["content-type"].startswith("text/event-stream")
    *blocks, last, rest = response.text.split("\n\n")
    assert (last, rest) == ("data: [DONE]", "")
    return [json.loads(block.removeprefix("data: ")) for block in blocks if not block.startswith(":")]


def going_on(chat: str, reply: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """What `useChat` sends when the tools of its last message are done."""
    return {"id": chat, "messages": [reply], "trigger": "submit-message", "messageId": reply["id"], **fields}


def reply_with(*calls: dict[str, Any], id: str = "reply") -> dict[str, Any]:
    """The page's message with calls, after a step that is over."""
    done = {"type": "tool-weather", "toolCallId": "old", "state": "output-available", "output": "long ago"}
    return {"id": id, "role": "assistant", "parts": [done, {"type": "step-start"}, *calls]}


def answered(call_id: str, output: Any) -> dict[str, Any]:
    return {"type": "tool-weather", "toolCallId": call_id, "state": "output-available", "input": {}, "output": output}


def failed(call_id: str, why: str) -> dict[str, Any]:
    return {"type": "dynamic-tool", "toolName": "weather", "toolCallId": call_id, "state": "output-error"} | {
        "errorText": why
    }


def text_of(chunks: list[dict[str, Any]]) -> str:
    return "".join(chunk["delta"] for chunk in chunks if chunk["type"] == "text-delta")


def kinds(chunks: list[dict[str, Any]]) -> list[str]:
    return [chunk["type"] for chunk in chunks]


class TestStream:
    async def test_a_reply_is_one_text_part_and_its_metadata_say_what_it_cost(
        self, http: httpx2.AsyncClient, model: ScriptedModel
    ) -> None:
        model.then(Say("One\n"), Pause(0.05), Say("two\u2028🎉"))
        model._usage = TokenUsage(input_tokens=7, cached_tokens=0, output_tokens=5)
        chunks = chunks_in(await http.post("/api/chat", json=asked(str(uuid4()))))
        model._usage = None
        start, step, opened, *deltas, closed, over, finish = chunks
        assert kinds([start, step, opened, closed, over, finish]) == [
            "start",
            "start-step",
            "text-start",
            "text-end",
            "finish-step",
            "finish",
        ]
        assert set(kinds(deltas)) == {"text-delta"}
        assert "".join(delta["delta"] for delta in deltas) == "One\ntwo\u2028🎉"
        assert len({chunk["id"] for chunk in (opened, *deltas, closed)}) == 1
        told = finish["messageMetadata"]
        assert (finish["finishReason"], told["state"], told["cost"]) == ("stop", "completed", None)
        assert (told["usage"]["input_tokens"], told["usage"]["output_tokens"]) == (7, 5)
        conversation_id = start["messageMetadata"]["conversation_id"]
        stored = (await http.get(f"/conversations/{conversation_id}")).json()
        assert [one["content"] for one in stored["messages"]] == ["Hello", "One\ntwo\u2028🎉"]
        assert stored["messages"][1]["id"] == start["messageId"]

    async def test_a_model_that_breaks_off_is_an_error_with_our_sentence(
        self, http: httpx2.AsyncClient, model: ScriptedModel
    ) -> None:
        model.then(Say("Half"), Fail(OverloadedError("vendor's words")))
        chunks = chunks_in(await http.post("/api/chat", json=asked(str(uuid4()))))
        assert kinds(chunks)[-3:] == ["text-end", "message-metadata", "error"]
        assert chunks[-2]["messageMetadata"]["state"] == "failed"
        assert chunks[-1]["errorText"] == OverloadedError.sentence

    async def test_nothing_said_is_no_text_part(self, http: httpx2.AsyncClient, model: ScriptedModel) -> None:
        model.then(Fail(OverloadedError()))
        chunks = chunks_in(await http.post("/api/chat", json=asked(str(uuid4()))))
        assert kinds(chunks) == ["start", "start-step", "message-metadata", "error"]

    async def test_the_same_key_tells_the_same_reply(self, http: httpx2.AsyncClient, model: ScriptedModel) -> None:
        body, headers = asked(str(uuid4())), {"Idempotency-Key": str(uuid4())}
        first, again = [await http.post("/api/chat", json=body, headers=headers) for _ in range(2)]
        assert chunks_in(first)[0]["messageId"] == chunks_in(again)[0]["messageId"]
        assert len(model.requests) == 1


class TestChats:
    async def test_a_conversations_id_stands_for_it(self, http: httpx2.AsyncClient) -> None:
        conversation = await new_conversation(http, title="Tides")
        chunks_in(await http.post("/api/chat", json=asked(conversation["id"].upper())))
        chat = (await http.get(f"/api/chat/{conversation['id']}")).json()
        assert (chat["conversation_id"], chat["title"]) == (conversation["id"], "Tides")
        assert [(one["role"], one["parts"]) for one in chat["messages"]] == [
            ("user", [{"type": "text", "text": "Hello"}]),
            ("assistant", [{"type": "text", "text": "Hello"}]),
        ]

    async def test_any_other_name_is_everybodys_own(self, server: SharedServer, http: httpx2.AsyncClient) -> None:
        chunks_in(await http.post("/api/chat", json=asked("greeting", "Ada's")))
        headers = {"Authorization": f"Bearer {server.token('bob')}"}
        bobs = await http.post("/api/chat", json=asked("greeting", "Bob's"), headers=headers)
        chunks_in(bobs)
        for who, words in ((None, "Ada's"), (headers, "Bob's")):
            chat = (await http.get("/api/chat/greeting", headers=who)).json()
            assert [one["parts"][0]["text"] for one in chat["messages"]] == [words, words]

    async def test_somebody_elses_conversation_is_refused(self, server: SharedServer, http: httpx2.AsyncClient) -> None:
        conversation = await new_conversation(http)
        headers = {"Authorization": f"Bearer {server.token('bob')}"}
        refused = await http.post("/api/chat", json=asked(conversation["id"]), headers=headers)
        assert (refused.status_code, problem_in(refused)["code"]) == (403, "conversation_forbidden")

    async def test_two_first_messages_at_once_are_one_conversation(
        self, http: httpx2.AsyncClient, model: ScriptedModel
    ) -> None:
        body = asked(str(uuid4()))
        answers = await asyncio.gather(*(http.post("/api/chat", json=body) for _ in range(4)))
        assert {answer.status_code for answer in answers} <= {200, 409}
        places = [chunks_in(one)[0]["messageMetadata"]["conversation_id"] for one in answers if one.status_code == 200]
        assert len(set(places)) == 1
        assert len(model.requests) == len(places)

    async def test_nothing_was_said_under_a_new_name(self, http: httpx2.AsyncClient) -> None:
        missing = await http.get("/api/chat/never-used")
        assert (missing.status_code, problem_in(missing)["code"]) == (404, "conversation_not_found")
        assert (await http.get("/api/chat/never-used/stream")).status_code == 204
        assert (await http.post("/api/chat/never-used/stop")).json() == {"stopped": 0}

    async def test_model_and_prompt_come_with_the_transports_body(
        self, http: httpx2.AsyncClient, model: ScriptedModel
    ) -> None:
        body = asked(str(uuid4()), model="scripted/other", system_prompt="Be brief.", max_tokens=9)
        chunks_in(await http.post("/api/chat", json=body))
        [request] = model.requests
        assert (request.model, request.sampling.reply_limit_tokens) == ("other", 9)
        assert request.messages[0].content == "Be brief."


class TestResuming:
    async def test_a_reply_is_told_from_its_beginning_while_it_is_said_and_the_stop_is_its_end(
        self, http: httpx2.AsyncClient, model: ScriptedModel
    ) -> None:
        model.then(Say("Half"), Pause(60))
        chat = str(uuid4())
        async with http.stream("POST", "/api/chat", json=asked(chat)) as response:
            async for piece in response.aiter_text():
                if "text-delta" in piece:
                    break
        busy = await http.post("/api/chat", json=asked(chat, "Hello?"))
        assert (busy.status_code, problem_in(busy)["code"]) == (409, "turn_in_progress")
        text = ""
        async with http.stream("GET", f"/api/chat/{chat}/stream") as response:
            async for piece in response.aiter_text():
                if "text-delta" in (text := text + piece) and model.closed == 0:
                    assert (await http.post(f"/api/chat/{chat}/stop")).json() == {"stopped": 1}
        chunks = [json.loads(block.removeprefix("data: ")) for block in text.split("\n\n")[:-2]]
        assert [chunk["delta"] for chunk in chunks if chunk["type"] == "text-delta"] == ["Half"]
        assert chunks[-1] == {"type": "abort", "reason": "cancelled"}
        assert (await http.get(f"/api/chat/{chat}/stream")).status_code == 204


class TestBranches:
    async def test_a_question_said_otherwise_stands_beside_the_old_one(self, http: httpx2.AsyncClient) -> None:
        chat = str(uuid4())
        first = chunks_in(await http.post("/api/chat", json=asked(chat, "One")))[0]
        chunks_in(await http.post("/api/chat", json=asked(chat, "Two")))
        reply = message("One", id=first["messageId"], role="assistant")
        edited = {"id": chat, "messages": [message("One"), reply, message("2", id="n")], "messageId": "n"}
        chunks_in(await http.post("/api/chat", json=edited))
        assert await self.path(http, chat) == ["One", "One", "2", "2"]
        chunks_in(await http.post("/api/chat", json=asked(chat, "1", messageId="m")))
        assert await self.path(http, chat) == ["1", "1"]

    async def test_the_named_reply_or_the_newest_is_said_anew(
        self, http: httpx2.AsyncClient, model: ScriptedModel
    ) -> None:
        chat = str(uuid4())
        first = chunks_in(await http.post("/api/chat", json=asked(chat, "One")))[0]
        for fields in ({}, {"messageId": first["messageId"]}, {"messageId": "the page's own"}):
            model.then(Say(f"Again {len(model.requests)}"))
            chunks_in(await http.post("/api/chat", json=asked(chat, "One", trigger="regenerate-message", **fields)))
            assert await self.path(http, chat) == ["One", f"Again {len(model.requests) - 1}"]

    async def path(self, http: httpx2.AsyncClient, chat: str) -> list[str]:
        messages = (await http.get(f"/api/chat/{chat}")).json()["messages"]
        return [one["parts"][0]["text"] for one in messages]


class TestRefusals:
    @pytest.mark.parametrize(
        ("body", "code"),
        [
            (asked("x", messages=[]), "invalid_request"),
            (asked("x", messages=[message("Hi", role="assistant")]), "nothing_said"),
            (asked("x", messages=[{"id": "m", "role": "user", "parts": [{"type": "custom"}]}]), "unsupported_part"),
            (asked("x", " "), "invalid_text"),
            (asked("", "Hi"), "invalid_request"),
            (asked("x", colour="blue"), "invalid_request"),
            (asked("x", model="nobody/knows"), "unknown_model"),
        ],
    )
    async def test_what_cannot_be_said_is_refused_and_named(
        self, http: httpx2.AsyncClient, *, body: dict[str, Any], code: str
    ) -> None:
        refused = await http.post("/api/chat", json=body)
        assert (refused.status_code, problem_in(refused)["code"]) == (422, code)


class TestTools:
    async def test_a_tool_of_the_page_is_called_and_the_reply_goes_on_with_its_output(
        self, http: httpx2.AsyncClient, model: ScriptedModel
    ) -> None:
        chat = str(uuid4())
        model.then(Say("Let me see."), OSLO, ROME, Say("Well."))
        chunks = chunks_in(await http.post("/api/chat", json=asked(chat, "Warmer where?", tools=[WEATHER])))
        assert kinds(chunks) == [
            *("start", "start-step", "text-start", "text-delta", "text-end"),
            *("tool-input-start", "tool-input-delta", "tool-input-available") * 2,
            *("text-start", "text-delta", "text-end", "finish-step", "finish"),
        ]
        assert [one["input"] for one in chunks if one["type"] == "tool-input-available"] == [OSLO_INPUT, ROME_INPUT]
        assert chunks[-1]["finishReason"] == "tool-calls"
        model.then(Say("Rome."))
        called = reply_with(answered("call_oslo", {"degrees": 3}), failed("call_rome", "no such place"))
        told = chunks_in(await http.post("/api/chat", json=going_on(chat, called, tools=[WEATHER])))
        assert told[0]["messageId"] == called["id"]
        assert text_of(told) == "Rome."
        assert model.requests[1].messages[-1].content == Parts(
            (
                ToolResult(call_id="call_oslo", output='{"degrees": 3}'),
                ToolResult(call_id="call_rome", output="no such place"),
            )
        )
        [question, reply] = (await http.get(f"/api/chat/{chat}")).json()["messages"]
        assert question["parts"] == [{"type": "text", "text": "Warmer where?"}]
        assert (reply["id"], reply["metadata"]["turn_id"]) == (
            chunks[0]["messageId"],
            told[0]["messageMetadata"]["turn_id"],
        )
        oslo, rome = ({"type": "tool-weather", "toolCallId": f"call_{name}"} for name in ("oslo", "rome"))
        assert reply["parts"] == [
            {"type": "text", "text": "Let me see."},
            oslo | {"state": "output-available", "input": OSLO_INPUT, "output": {"degrees": 3}},
            rome | {"state": "output-error", "input": ROME_INPUT, "errorText": "no such place"},
            {"type": "text", "text": "Well."},
            {"type": "step-start"},
            {"type": "text", "text": "Rome."},
        ]

    async def test_outputs_of_no_call_are_refused(self, http: httpx2.AsyncClient) -> None:
        chat = str(uuid4())
        chunks_in(await http.post("/api/chat", json=asked(chat)))
        refused = await http.post("/api/chat", json=going_on(chat, reply_with(answered("call_x", 1))))
        assert (refused.status_code, problem_in(refused)["code"]) == (422, "unknown_tool_call")

    async def test_a_call_that_breaks_off_is_an_error_and_one_of_a_broken_reply_is_never_made(
        self, http: httpx2.AsyncClient, model: ScriptedModel
    ) -> None:
        chat, cut = str(uuid4()), Call("weather", ('{"city"',), "call_1")
        model.then(cut)
        chunks = chunks_in(await http.post("/api/chat", json=asked(chat, tools=[WEATHER])))
        [error] = [one for one in chunks if one["type"] == "tool-input-error"]
        assert (error["input"], error["toolCallId"]) == ('{"city"', "call_1")
        shown = (await http.get(f"/api/chat/{chat}")).json()["messages"][-1]["parts"]
        assert [(one["state"], one["errorText"]) for one in shown] == [("output-error", error["errorText"])]
        model.then(OSLO, Fail(OverloadedError()))
        broken = chunks_in(await http.post("/api/chat", json=asked(str(uuid4()), tools=[WEATHER])))
        assert kinds(broken)[2:] == ["tool-input-start", "tool-input-delta", "message-metadata", "error"]

    async def test_after_a_reload_the_steps_before_are_told_again_and_no_call_is_made_twice(
        self, http: httpx2.AsyncClient, model: ScriptedModel
    ) -> None:
        chat = str(uuid4())
        model.then(Say("Let me see."), OSLO)
        first = chunks_in(await http.post("/api/chat", json=asked(chat, tools=[WEATHER])))[0]["messageId"]
        model.then(Say("Cold"), Pause(60))
        body = going_on(chat, reply_with(answered("call_oslo", "3"), id=first), tools=[WEATHER])
        async with http.stream("POST", "/api/chat", json=body) as response:
            async for piece in response.aiter_text():
                if "text-delta" in piece:
                    break
        text = ""
        async with http.stream("GET", f"/api/chat/{chat}/stream") as response:
            async for piece in response.aiter_text():
                if "Cold" in (text := text + piece) and model.closed == 0:
                    await http.post(f"/api/chat/{chat}/stop")
        chunks = [json.loads(block.removeprefix("data: ")) for block in text.split("\n\n")[:-2]]
        assert chunks[0]["messageId"] == first
        assert kinds(chunks)[1:] == [
            *("start-step", "text-start", "text-delta", "text-end"),
            *("tool-input-start", "tool-input-delta", "tool-output-available", "finish-step"),
            *("start-step", "text-start", "text-delta", "text-end", "message-metadata", "abort"),
        ]

    async def test_a_question_after_the_exchange_follows_all_of_it_and_is_said_otherwise_there(
        self, http: httpx2.AsyncClient, model: ScriptedModel
    ) -> None:
        chat = str(uuid4())
        model.then(OSLO)
        first = chunks_in(await http.post("/api/chat", json=asked(chat, tools=[WEATHER])))[0]["messageId"]
        reply = reply_with(answered("call_oslo", "3"), id=first)
        for text, more in (("Well?", {}), ("So?", {"messageId": "n"})):
            body = {"id": chat, "messages": [reply, message(text, id="n")], **more}
            chunks_in(await http.post("/api/chat", json=body))
            shown = [one.content for one in model.requests[-1].messages]
            assert [type(one) for one in shown] == [str, Parts, Parts, str]
            assert shown[-1] == text

    async def test_the_whole_reply_is_said_anew_not_its_last_step(
        self, http: httpx2.AsyncClient, model: ScriptedModel
    ) -> None:
        chat = str(uuid4())
        model.then(OSLO)
        first = chunks_in(await http.post("/api/chat", json=asked(chat, tools=[WEATHER])))[0]["messageId"]
        chunks_in(await http.post("/api/chat", json=going_on(chat, reply_with(answered("call_oslo", "3"), id=first))))
        model.then(Say("Anew"))
        chunks_in(await http.post("/api/chat", json=asked(chat, trigger="regenerate-message")))
        assert [one.content for one in model.requests[-1].messages] == ["Hello"]


class TestFiles:
    async def test_images_and_files_are_passed_on_and_shown_again(
        self, http: httpx2.AsyncClient, model: ScriptedModel
    ) -> None:
        chat = str(uuid4())
        parts = [IMAGE, PDF, {"type": "text", "text": "What is it?"}]
        chunks_in(
            await http.post("/api/chat", json=asked(chat, messages=[{"id": "m", "role": "user", "parts": parts}]))
        )
        [request] = model.requests
        assert request.messages[0].content == Parts(
            (Image(url=IMAGE["url"]), File(name="a.pdf", url=PDF["url"]), Text("What is it?"))
        )
        assert (await http.get(f"/api/chat/{chat}")).json()["messages"][0]["parts"] == parts

    @pytest.mark.parametrize(
        "part", [IMAGE | {"url": "blob:x"}, IMAGE | {"mediaType": "image/png", "url": PDF["url"]}, {"type": "file"}]
    )
    async def test_a_file_that_is_nowhere_is_refused(self, http: httpx2.AsyncClient, part: dict[str, Any]) -> None:
        said = [{"id": "m", "role": "user", "parts": [{"type": "text", "text": "?"}, part]}]
        refused = await http.post("/api/chat", json=asked("x", messages=said))
        assert (refused.status_code, problem_in(refused)["code"]) == (422, "invalid_file_part")
        assert problem_in(refused)["field"] == "messages[-1].parts[1].url"

    async def test_a_model_that_sees_nothing_is_named_with_the_part(self, http: httpx2.AsyncClient) -> None:
        said = [{"id": "m", "role": "user", "parts": [{"type": "text", "text": "?"}, IMAGE]}]
        refused = await http.post("/api/chat", json=asked("x", messages=said, model="local"))
        assert (problem_in(refused)["code"], problem_in(refused)["field"]) == ("model_cannot", "messages[-1].parts[1]")


class TestSources:
    async def test_documents_that_the_reply_names_are_parts_of_it(
        self, http: httpx2.AsyncClient, model: ScriptedModel
    ) -> None:
        report = ("report.md", b"# Results\n\nThe key metrics are revenue growth of 12 % and a margin of 30 %.")
        collection_id = (await http.post("/collections", json={"name": "Reports"})).json()["id"]
        answer = await http.post("/documents", files=[("files", report)], params={"collection_id": collection_id})
        [document] = answer.json()["documents"]
        while document["status"] != "ready":
            document = (await http.get(f"/documents/{document['id']}")).json()
        conversation = await new_conversation(http)
        path = f"/conversations/{conversation['id']}/collections"
        assert (await http.put(path, json={"collection_ids": [document["collection_id"]]})).status_code == 200
        model.then(Say("Growth [1]."))
        chunks = chunks_in(await http.post("/api/chat", json=asked(conversation["id"], "What are the key metrics?")))
        [source] = [one for one in chunks if one["type"] == "source-document"]
        assert (source["title"], source["mediaType"]) == ("[1] report.md", "text/markdown")
        shown = (await http.get(f"/api/chat/{conversation['id']}")).json()["messages"][-1]["parts"]
        assert shown == [{"type": "text", "text": "Growth [1]."}, source]
