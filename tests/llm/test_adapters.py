"""Both dialects over a real socket: what is said arrives, and whatever goes wrong has a name of ours."""

import asyncio
import contextlib
import email.utils
import time
import traceback
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import pytest

from conversation_engine.domains.llm.errors import (
    AuthenticationError,
    BadModelRequestError,
    ContentFilteredError,
    ContextTooLongError,
    ErrorInStreamError,
    MalformedStreamError,
    ModelError,
    ModelNotFoundError,
    ModelRateLimitedError,
    ModelTimeoutError,
    ModelUnreachableError,
    OverloadedError,
    PermissionDeniedError,
    StreamCutError,
)
from conversation_engine.domains.llm.ports import ModelProvider
from conversation_engine.domains.llm.providers.anthropic_messages import AnthropicProvider, alternating
from conversation_engine.domains.llm.providers.local import LocalModelServer
from conversation_engine.domains.llm.providers.openai_chat import OpenAIChatProvider
from conversation_engine.domains.llm.settings import LlmSettings
from conversation_engine.domains.llm.types import (
    LLMMessage,
    ModelRequest,
    ReplyFinished,
    Sampling,
    TextDelta,
    TokenUsage,
)
from conversation_engine.domains.llm.wire import ServiceClient
from tests.llm.stub import (
    CUT,
    OPEN_STREAM,
    SILENCE,
    EventsOf,
    StubService,
    anthropic_events,
    event,
    openai_events,
    refusal,
    running_stub,
)

SENTINEL = "sk-SENTINEL-0123456789abcdef"
AWKWARD = "Zoë 👩\u200d👧 e\u0301 \u2028 \r\n 𝄞"
REQUEST = ModelRequest(
    model="m",
    messages=[LLMMessage(role="system", content="Be brief."), LLMMessage(role="user", content=AWKWARD)],
    sampling=Sampling(reply_limit_tokens=8),
)


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """A provider that talks to the stub, and how its service writes a reply."""

    provider: ModelProvider
    events: EventsOf


_clients: list[ServiceClient] = []


@pytest.fixture(autouse=True)
async def all_clients_are_closed() -> AsyncIterator[None]:
    yield
    while _clients:
        await _clients.pop().aclose()


def client_of(**settings: Any) -> ServiceClient:
    """Closed when the test is over."""
    _clients.append(ServiceClient(LlmSettings(**settings)))
    return _clients[-1]


def openai_at(base_url: str, *, key: str = "key", **settings: Any) -> OpenAIChatProvider:
    return OpenAIChatProvider(client_of(**settings), name="openai", base_url=base_url, api_key=key)


def anthropic_at(base_url: str, *, key: str = "key", **settings: Any) -> AnthropicProvider:
    return AnthropicProvider(client_of(**settings), base_url=base_url, api_key=key)


@pytest.fixture
async def stub() -> AsyncIterator[StubService]:
    async with running_stub() as service:
        yield service


@pytest.fixture(params=["openai", "anthropic"])
async def dialect(request: pytest.FixtureRequest, stub: StubService) -> AsyncIterator[Dialect]:
    if request.param == "openai":
        spoken = Dialect(provider=openai_at(stub.base_url), events=openai_events)
    else:
        spoken = Dialect(provider=anthropic_at(stub.base_url), events=anthropic_events)
    yield spoken
    await spoken.provider.aclose()


async def hear(provider: ModelProvider, request: ModelRequest = REQUEST) -> tuple[str, ReplyFinished]:
    """A whole reply."""
    async with asyncio.timeout(10), contextlib.aclosing(provider.stream(request)) as events:
        heard = [one async for one in events]
    *deltas, finished = heard
    assert isinstance(finished, ReplyFinished)
    assert all(isinstance(delta, TextDelta) and delta.text for delta in deltas)
    return "".join(delta.text for delta in deltas if isinstance(delta, TextDelta)), finished


async def hear_until_it_fails(provider: ModelProvider) -> tuple[str, ModelError]:
    """What was said before the call broke, and how it broke."""
    text = ""
    async with asyncio.timeout(10):
        try:
            async for one in provider.stream(REQUEST):
                text += one.text if isinstance(one, TextDelta) else ""
        except ModelError as error:
            return text, error
    raise AssertionError("the call went well")


class TestReply:
    async def test_it_arrives_as_it_was_said(self, dialect: Dialect, stub: StubService) -> None:
        stub.plan = [OPEN_STREAM, *dialect.events(*AWKWARD, "\n")]
        text, finished = await hear(dialect.provider)
        assert text == AWKWARD + "\n"
        assert finished.finish_reason == "stop"

    @pytest.mark.parametrize(
        "written",
        [
            lambda raw: raw.replace(b"\n", b"\r\n"),
            lambda raw: raw.replace(b"data: ", b"data:"),
            lambda raw: b": comment\n\n" + raw.replace(b"\n\n", b"\n\n: ping\n\n"),
            lambda raw: raw.replace(b"data: ", b"id: 7\nretry: 1\ndata: "),
            lambda raw: raw.rstrip(b"\n"),
        ],
        ids=["crlf", "no space after data", "comments", "other fields", "no line end at the end"],
    )
    async def test_the_line_format_may_vary(self, dialect: Dialect, stub: StubService, written: Any) -> None:
        stub.plan = [OPEN_STREAM + written(b"".join(dialect.events("one ", AWKWARD)))]
        assert (await hear(dialect.provider))[0] == "one " + AWKWARD

    async def test_packets_may_end_anywhere(self, dialect: Dialect, stub: StubService) -> None:
        raw = b"".join(dialect.events("é👩\u200d👧"))
        start, end = raw.index("é".encode()) - 12, raw.index("👧".encode()) + 12
        for cut in range(start, end):
            stub.plan = [OPEN_STREAM + raw[:cut], raw[cut:]]
            assert (await hear(dialect.provider))[0] == "é👩\u200d👧"

    async def test_a_byte_at_a_time_is_fine(self, dialect: Dialect, stub: StubService) -> None:
        raw = b"".join(dialect.events("é👩"))
        stub.plan = [OPEN_STREAM, *[raw[n : n + 1] for n in range(len(raw))]]
        assert (await hear(dialect.provider))[0] == "é👩"

    async def test_a_nul_is_replaced_one_for_one(self, dialect: Dialect, stub: StubService) -> None:
        stub.plan = [OPEN_STREAM, *dialect.events("a\x00b")]
        assert (await hear(dialect.provider))[0] == "a\ufffdb"

    async def test_without_text_it_is_still_a_reply(self, dialect: Dialect, stub: StubService) -> None:
        stub.plan = [OPEN_STREAM, *dialect.events()]
        assert (await hear(dialect.provider))[0] == ""

    async def test_leaving_closes_the_connection(self, dialect: Dialect, stub: StubService) -> None:
        stub.plan = [OPEN_STREAM, *dialect.events("one", finish=None), SILENCE]
        async with contextlib.aclosing(dialect.provider.stream(REQUEST)) as events:
            assert await anext(events) == TextDelta(text="one")
        async with asyncio.timeout(5):
            await stub.closed.wait()

    async def test_one_client_serves_many_calls_at_once(self, dialect: Dialect, stub: StubService) -> None:
        stub.plan = [OPEN_STREAM, *dialect.events("hello")]
        replies = await asyncio.gather(*(hear(dialect.provider) for _ in range(30)))
        assert {text for text, _ in replies} == {"hello"}


class TestRefusal:
    @pytest.mark.parametrize(
        ("status", "error"),
        [
            (204, BadModelRequestError),
            (302, BadModelRequestError),
            (400, BadModelRequestError),
            (401, AuthenticationError),
            (403, PermissionDeniedError),
            (404, ModelNotFoundError),
            (408, ModelTimeoutError),
            (413, ContextTooLongError),
            (422, BadModelRequestError),
            (429, ModelRateLimitedError),
            (500, OverloadedError),
            (502, OverloadedError),
            (503, OverloadedError),
            (504, ModelTimeoutError),
            (529, OverloadedError),
        ],
    )
    async def test_every_status_has_its_error(
        self, dialect: Dialect, stub: StubService, status: int, error: type[ModelError]
    ) -> None:
        stub.plan = refusal(status, b"" if status == 204 else b'{"error": {"message": "for the operator"}}')
        text, raised = await hear_until_it_fails(dialect.provider)
        assert (text, type(raised)) == ("", error)
        assert f"HTTP {status}" in raised.cause
        assert "operator" in raised.cause or status == 204
        assert "for the operator" not in raised.detail + str(raised.facts)

    @pytest.mark.parametrize(
        ("body", "error"),
        [
            (b'{"error": {"code": "context_length_exceeded"}}', ContextTooLongError),
            (b'{"error": {"type": "exceed_context_size_error"}}', ContextTooLongError),
            (b'{"error": {"message": "prompt is too long: 9 tokens > 8 maximum"}}', ContextTooLongError),
            (b'{"error": {"code": "content_filter"}}', ContentFilteredError),
        ],
    )
    async def test_some_reasons_are_told_apart(
        self, dialect: Dialect, stub: StubService, body: bytes, error: type[ModelError]
    ) -> None:
        stub.plan = refusal(400, body)
        assert type((await hear_until_it_fails(dialect.provider))[1]) is error

    @pytest.mark.parametrize(
        ("value", "least", "most"),
        [
            ("7", 7, 7),
            ("0", 0, 0),
            ("-3", 0, 0),
            ("1.5", 1.5, 1.5),
            pytest.param(email.utils.formatdate(time.time() + 7200, usegmt=True), 1, 7201, id="in-two-hours"),
            ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0),
            ("soon", None, None),
            ("nan", None, None),
            ("inf", None, None),
            ("1e999", None, None),
            ("", None, None),
            ("Wed, 99 Oct 2015 99:99:99 GMT", None, None),
            ("Wed, 21 Oct 99999999999999999999 07:28:00 GMT", None, None),
        ],
    )
    async def test_retry_after_is_read_as_seconds_or_a_date(
        self, stub: StubService, value: str, least: float | None, most: float | None
    ) -> None:
        stub.plan = refusal(429, headers=f"retry-after: {value}\r\n")
        _, raised = await hear_until_it_fails(openai_at(stub.base_url))
        if least is None or most is None:
            assert (raised.retry_after_seconds, raised.facts) == (None, {})
        else:
            assert raised.retry_after_seconds is not None
            assert least <= raised.retry_after_seconds <= most
            assert raised.facts["retry_after"] == raised.retry_after_seconds

    @pytest.mark.parametrize("body", [b"\xff\xfe\x00garbage", b"<html>" + b"x" * 500_000, b""])
    async def test_an_odd_body_is_cut_to_size(self, dialect: Dialect, stub: StubService, body: bytes) -> None:
        stub.plan = refusal(500, body)
        _, raised = await hear_until_it_fails(dialect.provider)
        assert isinstance(raised, OverloadedError)
        assert len(raised.cause) < 3000

    async def test_the_key_never_gets_into_an_error(self, dialect: Dialect, stub: StubService) -> None:
        stub.plan = refusal(401)
        _, raised = await hear_until_it_fails(dialect.provider)
        assert "key" in stub.headers[0]
        assert "key" not in raised.cause

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503, 529])
    @pytest.mark.parametrize("before", [0, 1990, 70_000])
    async def test_a_key_that_the_service_quotes_back_is_blotted_out(
        self, stub: StubService, status: int, before: int
    ) -> None:
        for provider in (openai_at(stub.base_url, key=SENTINEL), anthropic_at(stub.base_url, key=SENTINEL)):
            stub.plan = refusal(status, b"x" * before + f" Incorrect API key provided: {SENTINEL}".encode())
            _, raised = await hear_until_it_fails(provider)
            assert SENTINEL[:12] not in raised.cause + str(raised) + repr(raised.facts)
            assert f"HTTP {status}" in raised.cause


class TestBrokenStream:
    """What was said before is always handed on."""

    async def test_cut_by_a_reset(self, dialect: Dialect, stub: StubService) -> None:
        stub.plan = [OPEN_STREAM, *dialect.events("one", finish=None), CUT]
        text, raised = await hear_until_it_fails(dialect.provider)
        assert text in ("one", "")  # a reset may overtake what the kernel still holds
        assert isinstance(raised, StreamCutError)

    async def test_cut_by_an_early_end(self, dialect: Dialect, stub: StubService) -> None:
        stub.plan = [OPEN_STREAM, *dialect.events("one", finish=None)]
        text, raised = await hear_until_it_fails(dialect.provider)
        assert (text, type(raised)) == ("one", StreamCutError)

    async def test_cut_in_the_middle_of_a_chunked_body(self, dialect: Dialect, stub: StubService) -> None:
        piece = b"".join(dialect.events("one", finish=None))
        head = OPEN_STREAM.replace(b"connection: close", b"transfer-encoding: chunked")
        stub.plan = [head + b"%x\r\n%s\r\n" % (len(piece), piece) + b"ff\r\nda"]
        text, raised = await hear_until_it_fails(dialect.provider)
        assert (text, type(raised)) == ("one", StreamCutError)

    async def test_cut_at_every_byte_it_never_passes_for_a_whole_reply(
        self, dialect: Dialect, stub: StubService
    ) -> None:
        raw = b"".join(dialect.events("one ", "two"))
        last = raw.index(b'finish_reason": "stop"' if dialect.events is openai_events else b"message_stop")
        for cut in range(0, last, 7):
            stub.plan = [OPEN_STREAM + raw[:cut]]
            text, raised = await hear_until_it_fails(dialect.provider)
            assert "one two".startswith(text)
            assert isinstance(raised, StreamCutError | MalformedStreamError)

    @pytest.mark.parametrize(
        "line",
        [
            b"data: {not json}\n\n",
            b"data: 5\n\n",
            b"data: []\n\n",
            b"data: null\n\n",
            b'data: "text"\n\n',
            b"data: \xff\xfe\n\n",
            b"data: {}\n\n",
            b"data: " + b"[" * 100_000 + b"\n\n",
            b'data: {"choices": [{"delta": {"content": "\\ud83d"}}], "type": "content_block_delta", '
            b'"delta": {"type": "text_delta", "text": "\\ud83d"}}\n\n',
            b'data: {"choices": 5, "type": 5}\n\n',
            b'data: {"choices": {"0": 1}, "type": "content_block_delta"}\n\n',
            b'data: {"choices": [5], "type": "content_block_delta", "delta": 5}\n\n',
            b'data: {"choices": [{"delta": null}], "type": "message_delta", "delta": null}\n\n',
            b'data: {"choices": [{"delta": {"content": 5}}], "type": "content_block_delta", '
            b'"delta": {"type": "text_delta"}}\n\n',
            b'data: {"usage": {"prompt_tokens": "many"}, "type": "message_start", '
            b'"message": {"usage": {"input_tokens": "many"}}}\n\n',
            b'data: {"usage": {"prompt_tokens": 1e400}, "type": "message_start", '
            b'"message": {"usage": {"input_tokens": 1e400}}}\n\n',
            b'data: {"usage": 5, "type": "message_start", "message": 5}\n\n',
            b'data: {"choices": [{"delta": {}, "finish_reason": {"a": 1}}], "type": "message_delta", '
            b'"delta": {"stop_reason": {"a": 1}}}\n\n',
            b'data: {"error": {"message": "\\u0000"}, "type": "error"}\n\n',
            b'data: {"error": 5, "type": "error"}\n\n',
        ],
        ids=range(20),
    )
    async def test_garbage_ends_in_an_error_of_ours_or_is_passed_over(
        self, dialect: Dialect, stub: StubService, line: bytes
    ) -> None:
        stub.plan = [OPEN_STREAM + b"".join([*dialect.events("one", finish=None), line, *dialect.events(" two")])]
        text = ""
        try:
            async for one in dialect.provider.stream(REQUEST):
                text += one.text if isinstance(one, TextDelta) else ""
        except ModelError as error:
            assert isinstance(error, MalformedStreamError | ErrorInStreamError)
        assert text.startswith("one")

    async def test_a_line_without_end_is_given_up(self, dialect: Dialect, stub: StubService) -> None:
        stub.plan = [OPEN_STREAM, *dialect.events("one", finish=None), b"data: ", *[b"x" * 262_144] * 40]
        text, raised = await hear_until_it_fails(dialect.provider)
        assert (text, type(raised)) == ("one", MalformedStreamError)

    @pytest.mark.parametrize(
        "body", [b"", b"<html>hello</html>", b'{"choices": [{"message": {"content": "hi"}}]}', b"\x00\xff" * 99]
    )
    async def test_another_content_type_is_no_reply(self, dialect: Dialect, stub: StubService, body: bytes) -> None:
        stub.plan = refusal(200, body, headers="content-type: text/html\r\n")
        text, raised = await hear_until_it_fails(dialect.provider)
        assert (text, type(raised)) == ("", StreamCutError)

    @pytest.mark.parametrize("reply", [b"", b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n"])
    async def test_what_is_no_http_is_an_error_of_ours(self, dialect: Dialect, stub: StubService, reply: bytes) -> None:
        stub.plan = [reply]
        _, raised = await hear_until_it_fails(dialect.provider)
        assert isinstance(raised, StreamCutError | MalformedStreamError)

    @pytest.mark.parametrize(
        ("kind", "error"),
        [
            ("overloaded_error", OverloadedError),
            ("rate_limit_error", ModelRateLimitedError),
            ("api_error", ErrorInStreamError),
        ],
    )
    async def test_an_error_that_anthropic_reports_inside(
        self, stub: StubService, kind: str, error: type[ModelError]
    ) -> None:
        reported = event({"type": "error", "error": {"type": kind, "message": "for the operator"}})
        stub.plan = [OPEN_STREAM, *anthropic_events("one", finish=None), reported]
        text, raised = await hear_until_it_fails(anthropic_at(stub.base_url))
        assert (text, type(raised)) == ("one", error)
        assert "operator" in raised.cause

    @pytest.mark.parametrize(
        "line", ['{"error": "%s", "type": "error"}', "%s", '["%s"]', '{"choices": "%s", "type": 5}']
    )
    async def test_a_key_that_is_quoted_inside_is_blotted_out(self, stub: StubService, line: str) -> None:
        for provider in (openai_at(stub.base_url, key=SENTINEL), anthropic_at(stub.base_url, key=SENTINEL)):
            stub.plan = [OPEN_STREAM, f"data: {line % (' ' * 1990 + SENTINEL)}\n\n".encode()]
            _, raised = await hear_until_it_fails(provider)
            assert SENTINEL[:12] not in raised.cause
            assert raised.cause

    async def test_an_error_that_openai_reports_inside(self, stub: StubService) -> None:
        stub.plan = [OPEN_STREAM, *openai_events("one", finish=None), event({"error": {"message": "oh"}})]
        text, raised = await hear_until_it_fails(openai_at(stub.base_url))
        assert (text, type(raised)) == ("one", ErrorInStreamError)


class TestNobodyThere:
    async def test_a_refused_connection(self, dialect: Dialect, stub: StubService) -> None:
        async with running_stub() as gone:
            url = gone.base_url
        for provider in (openai_at(url), anthropic_at(url)):
            assert isinstance((await hear_until_it_fails(provider))[1], ModelUnreachableError)

    @pytest.mark.parametrize("url", ["http://nobody.invalid", "nonsense", "ftp://x", "http://[", "http://x:99999"])
    async def test_an_address_that_cannot_be(self, url: str) -> None:
        assert isinstance((await hear_until_it_fails(openai_at(url)))[1], ModelUnreachableError)

    @pytest.mark.parametrize("key", ["sk-1234\n", "Schlüssel-1234", "sk-1234\x00"])
    async def test_a_key_that_no_header_can_carry(self, stub: StubService, key: str) -> None:
        client = client_of()
        for provider in (
            OpenAIChatProvider(client, name="openai", base_url=stub.base_url, api_key=key),
            AnthropicProvider(client, base_url=stub.base_url, api_key=key),
        ):
            _, raised = await hear_until_it_fails(provider)
            told = "".join(traceback.format_exception(raised)) + raised.cause
            assert isinstance(raised, AuthenticationError)
            assert not any(part in told for part in ("1234", "Schl"))


class TestOpenAI:
    @pytest.mark.parametrize(
        ("reported", "usage"),
        [
            (None, None),
            ({"prompt_tokens": 9, "completion_tokens": 4}, (9, 0, 4)),
            ({"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 6}}, (9, 6, 4)),
            ({"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": None}, (9, 0, 4)),
            ({"prompt_tokens": 9, "completion_tokens": None}, (9, 0, 0)),
        ],
    )
    async def test_usage_is_read_cached_tokens_included(
        self, stub: StubService, reported: dict[str, Any] | None, usage: tuple[int, int, int] | None
    ) -> None:
        stub.plan = [OPEN_STREAM, *openai_events("hi", usage=reported)]
        _, finished = await hear(openai_at(stub.base_url))
        expected = usage and TokenUsage(input_tokens=usage[0], cached_tokens=usage[1], output_tokens=usage[2])
        assert finished.usage == expected

    @pytest.mark.parametrize(
        ("reported", "wrote"),
        [
            ({"completion_tokens": 40, "total_tokens": 49}, 40),
            ({"completion_tokens": 10, "total_tokens": 49}, 40),
            ({"completion_tokens": 40}, 40),
        ],
        ids=["reasoning inside", "reasoning beside", "no total"],
    )
    async def test_reasoning_is_part_of_the_output_however_it_is_reported(
        self, stub: StubService, reported: dict[str, Any], wrote: int
    ) -> None:
        details = {
            "prompt_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 2},
            "completion_tokens_details": {"reasoning_tokens": 30},
        }
        stub.plan = [OPEN_STREAM, *openai_events("hi", usage={"prompt_tokens": 9, **details, **reported})]
        _, finished = await hear(openai_at(stub.base_url))
        assert finished.usage == TokenUsage(
            input_tokens=9, cached_tokens=3, cache_write_tokens=2, output_tokens=wrote, reasoning_tokens=30
        )

    async def test_a_stream_that_ends_without_done_is_whole_once_it_has_a_reason(self, stub: StubService) -> None:
        stub.plan = [OPEN_STREAM, *openai_events("hi", finish="length")[:-1]]
        assert (await hear(openai_at(stub.base_url)))[1].finish_reason == "length"

    async def test_it_asks_as_the_protocol_says(self, stub: StubService) -> None:
        stub.plan = [OPEN_STREAM, *openai_events("hi")]
        sampling = Sampling(temperature=0.5, top_p=0.25, reply_limit_tokens=8, stop=("x",), seed=3)
        await hear(
            openai_at(stub.base_url + "/v1/"), ModelRequest(model="m", messages=REQUEST.messages, sampling=sampling)
        )
        assert stub.headers[0].startswith("post /v1/chat/completions http/1.1\r\n")
        assert "authorization: bearer key" in stub.headers[0]
        assert stub.requests == [
            {
                "model": "m",
                "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": AWKWARD}],
                "stream": True,
                "stream_options": {"include_usage": True},
                "temperature": 0.5,
                "top_p": 0.25,
                "seed": 3,
                "stop": ["x"],
                "max_tokens": 8,
            }
        ]

    async def test_what_nobody_chose_is_left_to_the_service(self, stub: StubService) -> None:
        stub.plan = [OPEN_STREAM, *openai_events("hi")]
        await hear(openai_at(stub.base_url), ModelRequest(model="m", messages=[], sampling=Sampling()))
        assert set(stub.requests[0]) == {"model", "messages", "stream", "stream_options"}


class TestAnthropic:
    @pytest.mark.parametrize(
        ("reported", "usage"),
        [
            ({}, (7, 0, 0, 5)),
            ({"cache_read_input_tokens": 100, "cache_creation_input_tokens": 20}, (127, 100, 20, 5)),
            ({"cache_read_input_tokens": None}, (7, 0, 0, 5)),
        ],
    )
    async def test_input_counts_what_was_cached_or_written_to_the_cache_too(
        self, stub: StubService, reported: dict[str, Any], usage: tuple[int, int, int, int]
    ) -> None:
        stub.plan = [OPEN_STREAM, *anthropic_events("hi", usage=reported)]
        _, finished = await hear(anthropic_at(stub.base_url))
        read, cached, written, wrote = usage
        assert finished.usage == TokenUsage(
            input_tokens=read, cached_tokens=cached, cache_write_tokens=written, output_tokens=wrote
        )

    async def test_a_reply_without_its_message_start_is_whole_and_its_usage_unknown(self, stub: StubService) -> None:
        """As llama.cpp writes it when the first token is half a letter."""
        _, *rest = anthropic_events("hi")
        stub.plan = [OPEN_STREAM, *rest]
        text, finished = await hear(anthropic_at(stub.base_url))
        assert (text, finished) == ("hi", ReplyFinished(finish_reason="stop", usage=None))

    @pytest.mark.parametrize(
        ("theirs", "ours"),
        [
            ("end_turn", "stop"),
            ("stop_sequence", "stop"),
            ("max_tokens", "length"),
            ("refusal", "content_filter"),
            ("something_new", "something_new"),
        ],
    )
    async def test_finish_reasons_are_in_the_words_of_openai(self, stub: StubService, theirs: str, ours: str) -> None:
        stub.plan = [OPEN_STREAM, *anthropic_events("hi", finish=theirs)]
        assert (await hear(anthropic_at(stub.base_url)))[1].finish_reason == ours

    async def test_thinking_and_tools_are_passed_over(self, stub: StubService) -> None:
        events = anthropic_events("hi")
        for delta in ({"type": "thinking_delta", "thinking": "hm"}, {"type": "input_json_delta", "partial_json": "{"}):
            events.insert(3, event({"type": "content_block_delta", "index": 0, "delta": delta}))
        events.insert(3, event({"type": "something_new", "x": 1}))
        stub.plan = [OPEN_STREAM, *events]
        assert (await hear(anthropic_at(stub.base_url)))[0] == "hi"

    async def test_it_asks_as_the_protocol_says(self, stub: StubService) -> None:
        stub.plan = [OPEN_STREAM, *anthropic_events("hi")]
        sampling = Sampling(temperature=0.5, top_p=0.25, reply_limit_tokens=8, stop=("x",), seed=3)
        await hear(
            anthropic_at(stub.base_url + "/"), ModelRequest(model="m", messages=REQUEST.messages, sampling=sampling)
        )
        assert stub.headers[0].startswith("post /v1/messages http/1.1\r\n")
        assert "x-api-key: key" in stub.headers[0]
        assert "anthropic-version: 2023-06-01" in stub.headers[0]
        assert stub.requests == [
            {
                "model": "m",
                "system": "Be brief.",
                "messages": [{"role": "user", "content": AWKWARD}],
                "stream": True,
                "max_tokens": 8,
                "temperature": 0.5,
                "top_p": 0.25,
                "stop_sequences": ["x"],
            }
        ]


class TestAlternating:
    @pytest.mark.parametrize(
        ("roles", "expected"),
        [
            ("", "u"),
            ("s", "u"),
            ("u", "u"),
            ("a", "ua"),
            ("uau", "uau"),
            ("suu", "u"),
            ("usuaa", "ua"),
            ("asa", "ua"),
        ],
    )
    def test_roles_take_turns_and_the_user_begins(self, roles: str, expected: str) -> None:
        names: dict[str, Any] = {"s": "system", "u": "user", "a": "assistant"}
        messages = [LLMMessage(role=names[role], content=f"#{number}") for number, role in enumerate(roles)]
        shown = alternating(messages)
        assert "".join(message["role"][0] for message in shown) == expected
        said = "\n\n".join(message["content"] for message in shown)
        assert all(message.content in said for message in messages if message.role != "system")


PLAIN_REQUEST = ModelRequest(
    model="m",
    messages=[LLMMessage(role="system", content="Be brief."), LLMMessage(role="user", content="Say hello.")],
    sampling=Sampling(temperature=0.0, reply_limit_tokens=8),
)
"""Is answered by whole letters: llama.cpp leaves `message_start` out before a reply that begins with half an emoji."""


@pytest.mark.local_model
class TestRealServer:
    """llama.cpp speaks both dialects: what we believe of them is checked against somebody else's code."""

    async def test_both_dialects_get_a_reply_from_the_same_model(self) -> None:
        server = LocalModelServer(context_tokens=2048, slots=1)
        try:
            endpoint = await server.endpoint()
            root = endpoint.base_url.removesuffix("/v1")
            # llama.cpp closes idle connections without a word
            async with aclosing(ServiceClient(LlmSettings(), keeps_connections=False)) as client:
                for provider in (
                    OpenAIChatProvider(client, name="openai", base_url=endpoint.base_url, api_key=endpoint.api_key),
                    AnthropicProvider(client, base_url=root, api_key=endpoint.api_key),
                ):
                    text, finished = await hear(provider, PLAIN_REQUEST)
                    assert text.strip()
                    assert finished.finish_reason in ("stop", "length")
                    assert finished.usage is not None
                    assert finished.usage.input_tokens > 10
                    assert 1 <= finished.usage.output_tokens <= 9
                for provider in (
                    OpenAIChatProvider(client, name="openai", base_url=endpoint.base_url, api_key="wrong"),
                    AnthropicProvider(client, base_url=root, api_key="wrong"),
                ):
                    assert isinstance((await hear_until_it_fails(provider))[1], AuthenticationError)
        finally:
            await server.aclose()
