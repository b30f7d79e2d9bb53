"""Tool calls through the dialect: the official SDK and plain HTTP over a scripted model."""

import json
from typing import Any

import httpx2
import openai
import pytest

from conversation_engine.client import Client, ReplyDelta
from conversation_engine.domains.llm.parts import Parts, Text, ToolCall, ToolResult
from conversation_engine.testing import Call, Pause, Say, ScriptedModel
from tests.openai.conftest import Served
from tests.openai.test_responses import events_of

MODEL = "scripted/test"
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"name": "weather", "description": "The weather in a city.", "parameters": PARAMETERS, "strict": True}
NESTED: Any = [{"type": "function", "function": WEATHER}]
FLAT: Any = [{"type": "function", **WEATHER}]
OSLO = Call("weather", ('{"city":', '"Oslo"}'), "call_oslo")
ROME = Call("weather", ('{"city":"Rome"}',), "call_rome")
IN_OSLO = ToolCall(id="call_oslo", name="weather", arguments='{"city":"Oslo"}')
IN_ROME = ToolCall(id="call_rome", name="weather", arguments='{"city":"Rome"}')


class TestChat:
    async def test_calls_go_out_and_results_come_in(self, sdk: openai.AsyncOpenAI, model: ScriptedModel) -> None:
        model.then(Say("Let me see."), OSLO, ROME)
        asked: Any = [{"role": "user", "content": "Warmer in Oslo or Rome?"}]
        first = await sdk.chat.completions.create(
            model=MODEL, messages=asked, tools=NESTED, tool_choice="required", parallel_tool_calls=True
        )
        [choice] = first.choices
        assert (choice.finish_reason, choice.message.content) == ("tool_calls", "Let me see.")
        calls = choice.message.tool_calls
        assert calls
        assert [(one.id, one.function.arguments) for one in calls] == [  # type: ignore[union-attr]
            ("call_oslo", '{"city":"Oslo"}'),
            ("call_rome", '{"city":"Rome"}'),
        ]
        tools = model.requests[0].sampling.tools
        assert tools
        assert (tools.choice, tools.parallel, tools.functions[0].as_json()) == ("required", True, WEATHER)
        results: Any = [{"role": "tool", "tool_call_id": one.id, "content": f"{n}"} for n, one in enumerate(calls)]
        model.then(Say("Rome."))
        second = await sdk.chat.completions.create(
            model=MODEL, messages=[*asked, choice.message, *results], tools=NESTED
        )
        assert second.choices[0].message.content == "Rome."
        assert [message.content for message in model.requests[1].messages[1:]] == [
            Parts((Text("Let me see."), IN_OSLO, IN_ROME)),
            Parts((ToolResult(call_id="call_oslo", output="0"),)),
            Parts((ToolResult(call_id="call_rome", output="1"),)),
        ]

    async def test_arguments_are_streamed(self, sdk: openai.AsyncOpenAI, model: ScriptedModel) -> None:
        model.then(Say("Let me see."), OSLO, Pause(0.01), ROME)
        asked: Any = [{"role": "user", "content": "?"}]
        async with sdk.chat.completions.stream(model=MODEL, messages=asked, tools=NESTED) as stream:
            kinds = [event.type async for event in stream]
            message = (await stream.get_final_completion()).choices[0].message
        assert message.content == "Let me see."
        assert [one.function.arguments for one in message.tool_calls or ()] == ['{"city":"Oslo"}', '{"city":"Rome"}']
        assert kinds.count("tool_calls.function.arguments.done") == 2

    async def test_in_a_conversation_only_results_are_sent(self, sdk: openai.AsyncOpenAI, model: ScriptedModel) -> None:
        conversation = await sdk.conversations.create()
        place = {"conversation": conversation.id}
        asked: Any = [{"role": "user", "content": "Warmer where?"}]
        model.then(OSLO, ROME)
        model.then(Say("Rome."))
        first = await sdk.chat.completions.create(model=MODEL, messages=asked, tools=NESTED, extra_body=place)
        calls = first.choices[0].message.tool_calls or []
        said: Any = [
            *asked,
            first.choices[0].message,
            *({"role": "tool", "tool_call_id": one.id, "content": "1"} for one in calls),
        ]
        second = await sdk.chat.completions.create(model=MODEL, messages=said, tools=NESTED, extra_body=place)
        assert second.choices[0].message.content == "Rome."
        assert [type(message.content) for message in model.requests[1].messages] == [str, Parts, Parts, Parts]
        kinds = [item.type async for item in sdk.conversations.items.list(conversation.id, order="asc")]
        assert kinds == [
            "message",
            "function_call",
            "function_call",
            "function_call_output",
            "function_call_output",
            "message",
        ]

    @pytest.mark.parametrize(
        ("field", "value", "param"),
        [
            ("tools", [{"type": "custom", "custom": {"name": "x"}}], "tools[0].type"),
            ("tools", [{"type": "function", "function": {"name": "no blanks"}}], "tools[0].function.name"),
            ("tools", [*NESTED, *NESTED], "tools"),
            ("tool_choice", {"type": "function", "function": {"name": "other"}}, "tool_choice"),
            ("tool_choice", {"type": "allowed_tools"}, "tool_choice.type"),
            ("tool_choice", "sometimes", "tool_choice"),
            ("messages", [{"role": "tool", "content": "1"}], "messages[0].tool_call_id"),
            ("messages", [{"role": "user", "content": "?", "tool_calls": [{}]}], "messages[0].tool_calls"),
        ],
    )
    async def test_what_is_no_function_is_refused_by_name(
        self, http: httpx2.AsyncClient, field: str, value: Any, param: str
    ) -> None:
        body = {"model": MODEL, "messages": [{"role": "user", "content": "?"}], "tools": NESTED} | {field: value}
        answer = await http.post("/v1/chat/completions", json=body)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


class TestResponses:
    async def test_calls_are_items_across_responses(self, sdk: openai.AsyncOpenAI, model: ScriptedModel) -> None:
        model.then(Say("Let me see."), OSLO, ROME)
        first = await sdk.responses.create(
            model=MODEL, input="Warmer where?", tools=FLAT, tool_choice={"type": "function", "name": "weather"}
        )
        assert [item.type for item in first.output] == ["message", "function_call", "function_call"]
        assert first.tools[0].name == "weather"  # type: ignore[union-attr]
        assert model.requests[0].sampling.tools
        assert model.requests[0].sampling.tools.only == "weather"
        assert await sdk.responses.retrieve(first.id) == first
        results: Any = [
            {"type": "function_call_output", "call_id": item.call_id, "output": "1"}
            for item in first.output
            if item.type == "function_call"
        ]
        model.then(Say("Rome."))
        second = await sdk.responses.create(
            model=MODEL, input=results, tools=FLAT, previous_response_id=first.id, truncation="disabled"
        )
        assert second.output_text == "Rome."
        assert [message.content for message in model.requests[1].messages] == [
            "Warmer where?",
            Parts((Text("Let me see."), IN_OSLO, IN_ROME)),
            Parts((ToolResult(call_id="call_oslo", output="1"),)),
            Parts((ToolResult(call_id="call_rome", output="1"),)),
        ]
        given = [item async for item in sdk.responses.input_items.list(second.id, order="asc")]
        assert [item.type for item in given] == ["function_call_output"] * 2

    async def test_a_client_that_keeps_the_history_sends_all_of_it(
        self, sdk: openai.AsyncOpenAI, model: ScriptedModel
    ) -> None:
        model.then(OSLO)
        said: Any = [{"role": "user", "content": "Warm in Oslo?"}]
        first = await sdk.responses.create(model=MODEL, input=said, tools=FLAT, store=False)
        said += [item.model_dump(exclude_none=True) for item in first.output]
        said.append(
            {"type": "function_call_output", "call_id": "call_oslo", "output": [{"type": "input_text", "text": "No"}]}
        )
        for is_stored in (False, True):
            model.then(Say("No."))
            second = await sdk.responses.create(model=MODEL, input=said, tools=FLAT, store=is_stored)
            assert second.output_text == "No."
            assert [message.content for message in model.requests[-1].messages] == [
                "Warm in Oslo?",
                Parts((IN_OSLO,)),
                Parts((ToolResult(call_id="call_oslo", output="No"),)),
            ]

    async def test_a_stream_is_the_same_from_any_number_on(
        self, sdk: openai.AsyncOpenAI, http: httpx2.AsyncClient, model: ScriptedModel
    ) -> None:
        model.then(Say("Let "), Say("me see."), OSLO, Pause(0.01), ROME, Say("\x1eDone."))
        live: list[dict[str, Any]] = []
        async with sdk.responses.stream(model=MODEL, input="?", tools=FLAT) as stream:
            async for event in stream:
                live.append(event.model_dump(mode="json", warnings=False))
            final = await stream.get_final_response()
        whole = await events_of(http, final.id)
        for events in (live, whole):
            numbers = [event["sequence_number"] for event in events]
            assert numbers == sorted(set(numbers))
        assert [event["type"].removeprefix("response.") for event in whole] == [
            "created",
            "in_progress",
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.done",
            "content_part.done",
            "output_item.done",
            "output_item.added",
            "function_call_arguments.delta",
            "function_call_arguments.done",
            "output_item.done",
            "output_item.added",
            "function_call_arguments.delta",
            "function_call_arguments.done",
            "output_item.done",
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.done",
            "content_part.done",
            "output_item.done",
            "completed",
        ]
        done = [event["item"] for event in whole if event["type"] == "response.output_item.done"]
        assert done == whole[-1]["response"]["output"]
        assert [item["id"] for item in done] == [item.id for item in final.output]
        told = {event["sequence_number"]: event["type"] for event in whole if not event["type"].endswith(".delta")}
        assert told == {
            event["sequence_number"]: event["type"] for event in live if not event["type"].endswith(".delta")
        }
        for number in [0, *(event["sequence_number"] for event in live)][::4]:
            rest = await events_of(http, final.id, starting_after=number)
            expected = [event for event in whole if event["sequence_number"] > number]
            assert [event["sequence_number"] for event in rest] == [event["sequence_number"] for event in expected]
            for kind in ("response.output_text.delta", "response.function_call_arguments.delta"):
                said = ["".join(e["delta"] for e in events if e["type"] == kind) for events in (expected, rest)]
                assert said[0].endswith(said[1])

    async def test_items_are_paged_one_by_one(self, sdk: openai.AsyncOpenAI, model: ScriptedModel) -> None:
        conversation = await sdk.conversations.create()
        model.then(Say("Let me see."), OSLO, ROME)
        response = await sdk.responses.create(model=MODEL, input="?", tools=FLAT, conversation=conversation.id)
        for order in ("asc", "desc"):
            whole = [item.id async for item in sdk.conversations.items.list(conversation.id, order=order)]  # type: ignore[call-overload]
            ones = [item.id async for item in sdk.conversations.items.list(conversation.id, order=order, limit=1)]  # type: ignore[call-overload]
            assert len(whole) == 4
            assert ones == whole
        for item in response.output:
            found = await sdk.conversations.items.retrieve(item.id or "", conversation_id=conversation.id)
            assert found.model_dump(exclude_none=True) == item.model_dump(exclude_none=True)

    async def test_a_result_of_no_call_is_refused_and_not_kept(
        self, sdk: openai.AsyncOpenAI, model: ScriptedModel
    ) -> None:
        conversation = await sdk.conversations.create()
        result: Any = [{"type": "function_call_output", "call_id": "call_x", "output": "1"}]
        with pytest.raises(openai.BadRequestError) as refused:
            await sdk.responses.create(model=MODEL, input=result, conversation=conversation.id)
        assert refused.value.code == "unknown_tool_call"
        assert not [item async for item in sdk.conversations.items.list(conversation.id)]

    async def test_a_call_that_nobody_answered_is_not_shown_again(
        self, sdk: openai.AsyncOpenAI, model: ScriptedModel
    ) -> None:
        model.then(OSLO, ROME)
        first = await sdk.responses.create(model=MODEL, input="Warmer where?", tools=FLAT)
        model.then(Say("Rome."))
        half: Any = [{"type": "function_call_output", "call_id": "call_rome", "output": "warm"}]
        second = await sdk.responses.create(model=MODEL, input=half, previous_response_id=first.id)
        assert [message.content for message in model.requests[-1].messages[1:]] == [
            Parts((IN_ROME,)),
            Parts((ToolResult(call_id="call_rome", output="warm"),)),
        ]
        model.then(OSLO)
        third = await sdk.responses.create(model=MODEL, input="Sure?", previous_response_id=second.id, tools=FLAT)
        await sdk.responses.create(model=MODEL, input="Never mind.", previous_response_id=third.id)
        shown = [message.text for message in model.requests[-1].messages]
        assert shown[-3:] == ["Rome.", "Sure?", "Never mind."]


class TestNative:
    async def test_turns_tell_of_calls_by_events_of_their_own(
        self, sdk: openai.AsyncOpenAI, http: httpx2.AsyncClient, model: ScriptedModel
    ) -> None:
        conversation = await sdk.conversations.create()
        model.then(Say("Let me see."), OSLO)
        await sdk.responses.create(model=MODEL, input="?", tools=FLAT, conversation=conversation.id)
        key = conversation.id.removeprefix("conv_")
        [turn] = (await http.get(f"/conversations/{key}/turns")).json()["items"]
        stream = (await http.get(f"/conversations/{key}/turns/{turn['id']}/events")).text
        named = [block.split("\n") for block in stream.split("\n\n") if "event: reply" in block]
        told = [next(line.removeprefix("data: ") for line in block if line.startswith("data: ")) for block in named]
        assert [json.loads(one).get("text") for one in told] == ["Let me see.", None, '{"city":"Oslo"}']
        assert json.loads(told[1])["call_id"] == "call_oslo"
        message = (await http.get(f"/conversations/{key}/messages")).json()["items"][-1]
        assert message["content"] == {"parts": [Text("Let me see.").as_json(), IN_OSLO.as_json()]}

    async def test_turns_offer_tools_and_take_results(self, http: httpx2.AsyncClient, model: ScriptedModel) -> None:
        conversation = (await http.post("/conversations", json={})).json()
        path = f"/conversations/{conversation['id']}/turns"
        model.then(OSLO)
        model.then(Say("Yes."))
        body = {"content": "Rain in Oslo?", "tools": [WEATHER], "tool_choice": "required"}
        called = (await http.post(path, json=body)).json()
        [call] = called["message"]["content"]["parts"]
        assert call == IN_OSLO.as_json()
        tools = model.requests[0].sampling.tools
        assert tools
        assert (tools.choice, tools.functions[0].as_json()) == ("required", WEATHER)
        result = {"type": "tool_result", "call_id": call["id"], "output": "It rains."}
        told = (await http.post(path, json={"content": {"parts": [result]}, "tools": [WEATHER]})).json()
        assert told["message"]["content"] == "Yes."
        assert [type(one.content) for one in model.requests[1].messages] == [str, Parts, Parts]
        lines = (await http.get(f"/conversations/{conversation['id']}/export", params={"format": "jsonl"})).text
        said = json.loads(lines)["messages"]
        assert [one["role"] for one in said] == ["user", "assistant", "tool", "assistant"]
        assert said[1]["tool_calls"][0]["function"] == {"name": "weather", "arguments": '{"city":"Oslo"}'}

    async def test_our_own_client_hears_the_text_around_calls(self, served: Served, model: ScriptedModel) -> None:
        model.then(Say("Let me see."), OSLO, Say("So."))
        async with Client(served.url, token=served.token("ada")) as client, served.sdk() as sdk:
            conversation = await sdk.conversations.create()
            await sdk.responses.create(model=MODEL, input="?", tools=FLAT, conversation=conversation.id)
            key = conversation.id.removeprefix("conv_")
            [turn] = (await client.turns.list(key)).items
            told = [event async for event in client.turns.follow(key, turn.id)]
        assert [event.text for event in told if isinstance(event, ReplyDelta)] == ["Let me see.", "So."]
