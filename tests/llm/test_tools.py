"""Tools in both protocols, and replies that call them as transcripts."""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conversation_engine.domains.llm.abilities import visible
from conversation_engine.domains.llm.errors import MalformedStreamError
from conversation_engine.domains.llm.parts import (
    File,
    Image,
    Part,
    Parts,
    Text,
    ToolCall,
    ToolResult,
    content_of,
    parts_of,
)
from conversation_engine.domains.llm.ports import ModelProvider
from conversation_engine.domains.llm.providers.anthropic_messages import CACHE, AnthropicProvider
from conversation_engine.domains.llm.providers.openai_chat import OpenAIChatProvider
from conversation_engine.domains.llm.settings import LlmSettings
from conversation_engine.domains.llm.tools import FunctionTool, Toolbox
from conversation_engine.domains.llm.transcript import TranscriptReader, content_in, opening, transcript_of
from conversation_engine.domains.llm.types import (
    LLMMessage,
    ModelCard,
    ModelRequest,
    ReplyFinished,
    Sampling,
    TextDelta,
)
from conversation_engine.domains.llm.wire import ServiceClient
from tests.llm.stub import OPEN_STREAM, StubService, event, running_stub

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
WEATHER = FunctionTool(name="weather", description="Of a city.", parameters=SCHEMA, strict=True)
TIME = FunctionTool(name="time")
OSLO = ToolCall(id="c1", name="weather", arguments='{"city":"Oslo"}')
ROME = ToolCall(id="c2", name="weather", arguments="not JSON")
TALK = [
    LLMMessage("system", "Be brief."),
    LLMMessage("user", "Where?"),
    LLMMessage("assistant", Parts((Text("Let me see."), OSLO))),
    LLMMessage("assistant", Parts((ROME,))),
    LLMMessage("user", Parts((ToolResult(call_id="c1", output="cold"),))),
    LLMMessage("user", Parts((ToolResult(call_id="c2", output="warm"), Text("Well?")))),
]


@pytest.fixture
async def stub() -> AsyncIterator[StubService]:
    async with running_stub() as service:
        yield service


def provider_of(kind: str, stub: StubService) -> ModelProvider:
    client = ServiceClient(LlmSettings())
    if kind == "openai":
        return OpenAIChatProvider(client, name="openai", base_url=stub.base_url, api_key="key")
    return AnthropicProvider(client, base_url=stub.base_url, api_key="key")


async def heard(kind: str, stub: StubService, events: Sequence[dict[str, Any]], tools: Toolbox | None) -> Any:
    """What is stored of a reply, and why it ended."""
    stub.plan = [OPEN_STREAM, *(event(one, name=one.get("type")) for one in events)]
    request = ModelRequest(model="m", messages=TALK, sampling=Sampling(tools=tools), stable_messages=2)
    text, finished = "", None
    provider = provider_of(kind, stub)
    async with aclosing(provider), aclosing(provider.stream(request)) as stream:
        async for one in stream:
            match one:
                case TextDelta(text=more):
                    text += more
                case ReplyFinished(finish_reason=finished):
                    pass
    return content_in(text), finished


def openai_delta(**delta: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta}]}


def openai_call(index: int | None, call_id: str | None, name: str | None, arguments: str | None) -> dict[str, Any]:
    call = {"index": index, "id": call_id, "function": {"name": name, "arguments": arguments}}
    return openai_delta(tool_calls=[call])


def openai_end(reason: str = "tool_calls") -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}


BOX = Toolbox(functions=(WEATHER, TIME), choice="required", parallel=False)


class TestOpenAI:
    async def test_is_told_of_tools_calls_and_results(self, stub: StubService) -> None:
        await heard("openai", stub, [openai_delta(content="hi"), openai_end("stop")], BOX)
        body = stub.requests[0]
        assert body["tools"] == [
            {"type": "function", "function": WEATHER.as_json()},
            {"type": "function", "function": {"name": "time"}},
        ]
        assert (body["tool_choice"], body["parallel_tool_calls"]) == ("required", False)
        function = {"name": "weather", "arguments": '{"city":"Oslo"}'}
        assert body["messages"][2:] == [
            {
                "role": "assistant",
                "content": "Let me see.",
                "tool_calls": [
                    {"id": "c1", "type": "function", "function": function},
                    {"id": "c2", "type": "function", "function": {"name": "weather", "arguments": "not JSON"}},
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "cold"},
            {"role": "tool", "tool_call_id": "c2", "content": "warm"},
            {"role": "user", "content": [{"type": "text", "text": "Well?"}]},
        ]

    async def test_one_function_can_be_demanded(self, stub: StubService) -> None:
        await heard("openai", stub, [openai_end()], Toolbox(functions=(TIME,), only="time"))
        assert stub.requests[0]["tool_choice"] == {"type": "function", "function": {"name": "time"}}
        assert "parallel_tool_calls" not in stub.requests[0]

    async def test_nothing_is_said_of_tools_where_none_are_offered(self, stub: StubService) -> None:
        said = await heard("openai", stub, [openai_delta(content="hi"), openai_end("stop")], None)
        assert said == ("hi", "stop")
        assert not {"tools", "tool_choice"} & stub.requests[0].keys()

    @pytest.mark.parametrize(
        "events",
        [
            [
                openai_delta(content="Let me see."),
                openai_call(0, "c1", "weather", ""),
                openai_call(0, None, None, '{"city":'),
                openai_call(0, None, None, '"Oslo"}'),
                openai_call(1, "c2", "weather", "not JSON"),
            ],
            [  # no index, each whole, both in one chunk
                openai_delta(
                    content="Let me see.",
                    tool_calls=[
                        {"id": "c1", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}},
                        {"id": "c2", "function": {"name": "weather", "arguments": "not JSON"}},
                    ],
                )
            ],
            [  # the id and the name again with every piece
                openai_delta(content="Let me see."),
                openai_call(0, "c1", "weather", '{"city":'),
                openai_call(0, "c1", "weather", '"Oslo"}'),
                openai_call(1, "c2", "weather", "not "),
                openai_call(1, "c2", "weather", "JSON"),
            ],
        ],
    )
    async def test_calls_are_heard_however_they_are_cut(self, stub: StubService, events: list[dict[str, Any]]) -> None:
        content, finished = await heard("openai", stub, [*events, openai_end()], BOX)
        assert parts_of(content) == Parts((Text("Let me see."), OSLO, ROME))
        assert finished == "tool_calls"

    async def test_a_call_without_an_id_is_given_one(self, stub: StubService) -> None:
        content, _ = await heard("openai", stub, [openai_call(0, None, "time", "{}"), openai_end()], BOX)
        parts = parts_of(content)
        assert parts
        assert parts.calls[0].id.startswith("call_")

    async def test_more_of_a_call_that_has_ended_is_no_protocol(self, stub: StubService) -> None:
        events = [openai_call(0, "c1", "time", ""), openai_call(1, "c2", "time", ""), openai_call(0, None, None, "{}")]
        with pytest.raises(MalformedStreamError):
            await heard("openai", stub, events, BOX)


def anthropic_block(index: int, block: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": block},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


ANTHROPIC_END = [
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 5}},
    {"type": "message_stop"},
]


class TestAnthropic:
    async def test_is_told_of_tools_calls_and_results(self, stub: StubService) -> None:
        await heard("anthropic", stub, ANTHROPIC_END, BOX)
        body = stub.requests[0]
        assert body["tools"] == [
            {"name": "weather", "description": "Of a city.", "input_schema": SCHEMA, "strict": True},
            {"name": "time", "input_schema": {"type": "object", "properties": {}}},
        ]
        assert body["tool_choice"] == {"type": "any", "disable_parallel_tool_use": True}
        assert body["messages"] == [
            {"role": "user", "content": [{"type": "text", "text": "Where?", "cache_control": CACHE}]},
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": "Let me see."},
                    {"type": "tool_use", "id": "c1", "name": "weather", "input": {"city": "Oslo"}},
                    {"type": "tool_use", "id": "c2", "name": "weather", "input": {"arguments": "not JSON"}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "c1", "content": "cold"},
                    {"type": "tool_result", "tool_use_id": "c2", "content": "warm"},
                    {"type": "text", "text": "Well?"},
                ],
            },
        ]

    @pytest.mark.parametrize(
        ("box", "expected"),
        [
            (Toolbox(functions=(TIME,)), {"type": "auto"}),
            (Toolbox(functions=(TIME,), choice="none", parallel=False), {"type": "none"}),
            (Toolbox(functions=(TIME,), only="time"), {"type": "tool", "name": "time"}),
        ],
    )
    async def test_choices_have_names_of_their_own(self, stub: StubService, box: Toolbox, expected: Any) -> None:
        await heard("anthropic", stub, ANTHROPIC_END, box)
        assert stub.requests[0]["tool_choice"] == expected

    async def test_calls_are_heard(self, stub: StubService) -> None:
        oslo = {"type": "tool_use", "id": "c1", "name": "weather", "input": {}}
        events = [
            *anthropic_block(0, {"type": "text", "text": ""}, {"type": "text_delta", "text": "Let me see."}),
            *anthropic_block(
                1,
                oslo,
                {"type": "input_json_delta", "partial_json": ""},
                {"type": "input_json_delta", "partial_json": '{"city":'},
                {"type": "input_json_delta", "partial_json": '"Oslo"}'},
            ),
            *anthropic_block(2, oslo | {"id": "c3", "name": "time"}),
            *anthropic_block(3, {"type": "text", "text": ""}, {"type": "text_delta", "text": "Wait."}),
            *ANTHROPIC_END,
        ]
        content, finished = await heard("anthropic", stub, events, BOX)
        time = ToolCall(id="c3", name="time", arguments="{}")
        assert parts_of(content) == Parts((Text("Let me see."), OSLO, time, Text("Wait.")))
        assert finished == "tool_calls"


PIXEL, PDF, WORDS = "data:image/png;base64,AAAA", "data:application/pdf;base64,BBBB", "data:text/plain;base64,aGk="
SEEN = [
    LLMMessage(
        "user",
        Parts(
            (
                Text("What is it?"),
                Image(url=PIXEL, detail="low"),
                Image(url="https://example.com/a.png"),
                File(name="a.pdf", url=PDF),
                File(name="a.txt", url=WORDS),
            )
        ),
    )
]


class TestMedia:
    async def body(self, kind: str, stub: StubService, **sampling: Any) -> Any:
        end = [openai_end("stop")] if kind == "openai" else ANTHROPIC_END
        stub.plan = [OPEN_STREAM, *(event(one, name=one.get("type")) for one in end)]
        request = ModelRequest(model="m", messages=SEEN, sampling=Sampling(**sampling))
        provider = provider_of(kind, stub)
        async with aclosing(provider), aclosing(provider.stream(request)) as stream:
            async for _ in stream:
                pass
        return stub.requests[0]

    async def test_openai_is_shown_them(self, stub: StubService) -> None:
        assert (await self.body("openai", stub))["messages"][0]["content"] == [
            {"type": "text", "text": "What is it?"},
            {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}},
            {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "auto"}},
            {"type": "file", "file": {"filename": "a.pdf", "file_data": PDF}},
            {"type": "file", "file": {"filename": "a.txt", "file_data": WORDS}},
        ]

    async def test_anthropic_is_shown_them(self, stub: StubService) -> None:
        assert (await self.body("anthropic", stub))["messages"][0]["content"] == [
            {"type": "text", "text": "What is it?"},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
            {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "BBBB"},
                "title": "a.pdf",
            },
            {
                "type": "document",
                "source": {"type": "text", "media_type": "text/plain", "data": "hi"},
                "title": "a.txt",
            },
        ]

    async def test_anthropic_is_told_of_schemas(self, stub: StubService) -> None:
        form = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA, "strict": True}}
        body = await self.body("anthropic", stub, response_format=form)
        assert body["output_config"] == {"format": {"type": "json_schema", "schema": SCHEMA}}

    def test_a_model_that_sees_nothing_is_told_what_there_was(self) -> None:
        card = ModelCard(name="m", provider="p", provider_model="m", context_tokens=1, capabilities=frozenset())
        parts = SEEN[0].content
        assert isinstance(parts, Parts)
        told = [part.text for part in visible(card, parts).items if isinstance(part, Text)]
        assert told == ["What is it?", "[image]", "[image]", "[file a.pdf]", "[file a.txt]"]
        assert visible(replace(card, capabilities=None), parts) is parts


texts = st.text(st.characters(exclude_characters="\x1e\x00", exclude_categories=["Cs"]), min_size=1)
one_call = st.builds(
    lambda call_id, name, arguments: ToolCall(id=call_id, name=name, arguments=arguments), *[texts] * 3
)
replies = st.lists(st.one_of(texts.map(Text), one_call), min_size=1, max_size=6)


def merged(parts: Sequence[Part]) -> list[Part]:
    """Neighbouring texts are one."""
    kept: list[Part] = []
    for part in parts:
        before = kept[-1] if kept else None
        if isinstance(part, Text) and isinstance(before, Text):
            kept[-1] = Text(before.text + part.text)
        else:
            kept.append(part)
    return kept


class TestTranscript:
    @settings(max_examples=50)
    @given(replies.map(merged), st.data())
    def test_says_what_the_reply_says_in_whatever_pieces_it_is_read(self, parts: list[Part], data: Any) -> None:
        content = content_of(parts)
        whole = transcript_of(content)
        assert content_in(whole) == content
        assert transcript_of(content_in(whole)) == whole
        cuts = sorted(data.draw(st.sets(st.integers(0, len(whole)), max_size=5)))
        reader = TranscriptReader()
        pieces = [
            piece
            for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)
            for piece in reader.read(whole[start:end])
        ]
        assert "".join(piece.text for piece in pieces) == "".join(
            part.arguments if isinstance(part, ToolCall) else part.text for part in parts
        )
        openings = [piece.opening for piece in pieces if piece.opening]
        assert [(one.call_id, one.name) for one in openings] == [
            (part.id, part.name) for part in parts if isinstance(part, ToolCall)
        ]
        assert [piece.offset for piece in pieces] == sorted(piece.offset for piece in pieces)
        assert not pieces or pieces[-1].offset <= len(whole)

    def test_a_beginning_that_is_cut_is_left_out(self) -> None:
        assert content_in("Well." + opening("c", "f")[:-1]) == "Well."

    def test_a_document_is_parts_only_where_it_is_exactly_that(self) -> None:
        for document in (
            {"parts": []},
            {"parts": [{"type": "text"}]},
            {"parts": [{"type": "text", "text": 1}]},
            {"parts": [{"type": "text", "text": "a", "more": "b"}]},
            {"parts": [{"type": "other", "text": "a"}]},
            {"parts": [{"type": "text", "text": "a"}], "more": 1},
            {"parts": "a"},
            [],
        ):
            assert parts_of(document) is None
