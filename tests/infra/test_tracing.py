"""Traces: from the request through the steps of a turn to the model, over OTLP; off, they do not even load."""

import http.server
import logging
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from conversation_engine.domains.conversations.types import BusyPolicy
from conversation_engine.domains.llm.errors import OverloadedError
from conversation_engine.domains.llm.types import TokenUsage
from conversation_engine.domains.retrieval.types import RetrievalOptions, Strategy
from conversation_engine.engine.checkup import check_traces
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.engine.settings import Settings
from conversation_engine.engine.wiring import make_tokens
from conversation_engine.entrypoints.http.app import create_app
from conversation_engine.infra.observability import logs, opening, otel
from conversation_engine.infra.observability.opening import open_tracer
from conversation_engine.infra.observability.tracing import NO_TRACES
from conversation_engine.kernel.clock import SystemClock
from conversation_engine.kernel.people import Principal, Role
from conversation_engine.testing import Fail, Pause, Say, ScriptedModel
from conversation_engine.turns.errors import TurnInProgressError
from conversation_engine.turns.types import TurnState
from tests.conftest import settings_over
from tests.http.scenes import new_conversation, streamed
from tests.turns.scenes import ADA, answered, ask, begin

TRACE, ABOVE = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
USAGE = TokenUsage(input_tokens=11, cached_tokens=0, output_tokens=7)
STEPS = ["turn.assemble", "turn.generate", "turn.record"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A span as a collector has it."""

    name: str
    id: str
    above: str
    trace: str
    kind: int
    attributes: Mapping[str, Any]
    is_error: bool


class Collector:
    """Takes what is sent over OTLP, on a loopback socket."""

    def __init__(self) -> None:
        self.posted: list[tuple[str, str]] = []
        self.requests: list[ExportTraceServiceRequest] = []
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                collector.posted.append((self.path, self.headers["Content-Type"]))
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.requests.append(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                return None

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    @property
    def raw(self) -> str:
        """All of it, as text."""
        return "".join(map(str, self.requests))

    @property
    def resource(self) -> dict[str, Any]:
        """Who sent it."""
        return {one.key: value_of(one.value) for one in self.requests[0].resource_spans[0].resource.attributes}

    def spans(self) -> list[Told]:
        """In the order in which they began."""
        found = [
            span
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]
        return [told(span) for span in sorted(found, key=lambda one: one.start_time_unix_nano)]

    def named(self, name: str) -> list[Told]:
        return [span for span in self.spans() if span.name == name]

    def below(self, span: Told) -> list[str]:
        """The names of what belongs to it."""
        return [one.name for one in self.spans() if one.above == span.id]


def value_of(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    assert kind is not None
    return [value_of(one) for one in value.array_value.values] if kind == "array_value" else getattr(value, kind)


def told(span: Span) -> Told:
    return Told(
        name=span.name,
        id=span.span_id.hex(),
        above=span.parent_span_id.hex(),
        trace=span.trace_id.hex(),
        kind=span.kind,
        attributes={one.key: value_of(one.value) for one in span.attributes},
        is_error=span.status.code == 2,
    )


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """Where traces go, as the variables say; they go when the engine closes."""
    collector = Collector()
    thread = threading.Thread(target=collector.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "60000")
    yield collector
    collector.server.shutdown()
    thread.join()
    collector.server.server_close()


@pytest.fixture
def own_settings(sqlite_template: Path, tmp_path: Path) -> Settings:
    shutil.copy(sqlite_template, tmp_path / "test.db")
    return settings_over(f"sqlite:///{tmp_path / 'test.db'}", tmp_path)


def ada_at(app: FastAPI, settings: Settings) -> httpx2.AsyncClient:
    """Ada, signed in, without a socket."""
    tokens = make_tokens(settings, SystemClock())
    token = tokens.issue(Principal(user_id=ADA, role=Role.STUDENT), lifetime=timedelta(hours=1))
    headers = {"Authorization": f"Bearer {token}"}
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://x", headers=headers)


async def test_a_streamed_turn_is_one_tree_from_the_request_to_the_model_and_holds_nothing_that_was_said(
    own_settings: Settings,
    collector: Collector,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=tests")
    monkeypatch.setattr(logging.getLogger(logs.ROOT), "propagate", True)
    caplog.set_level("INFO", logs.ROOT)
    others = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(others))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)  # as a product has it that traces itself
    app = create_app(own_settings, providers={"scripted": ScriptedModel([Say("zeugma")], usage=USAGE)})
    async with app.router.lifespan_context(app), ada_at(app, own_settings) as ada:
        conversation = await new_conversation(ada, title="quixotic")
        ada.headers["traceparent"] = f"00-{TRACE}-{ABOVE}-01"
        events = await streamed(ada, conversation["id"], "xylophone")
        assert (await ada.get("/conversations/search", params={"q": "xylophone"})).status_code == 200
        assert (await ada.get("/shared/secretive")).status_code == 404
        await ada.get("/healthz")
    turn_id = events[-1].data["id"]

    assert collector.posted == [("/v1/traces", "application/x-protobuf")]
    assert collector.resource["service.name"] == "conversation-engine"
    assert collector.resource["deployment.environment.name"] == "tests"
    for word in ("zeugma", "xylophone", "quixotic", "secretive"):
        assert word not in collector.raw
    assert "healthz" not in collector.raw
    assert others.get_finished_spans() == (), "the framework's own spans tell paths and queries"

    [request] = collector.named("POST /conversations/{conversation_id}/turns")
    assert (request.trace, request.above, request.kind) == (TRACE, ABOVE, Span.SPAN_KIND_SERVER)
    assert request.attributes["http.response.status_code"] == 200
    assert request.attributes["http.route"] == "/conversations/{conversation_id}/turns"
    assert collector.below(request) == ["turn.admit", "turn"]
    [turn] = collector.named("turn")
    assert collector.below(turn) == STEPS
    whose = {"gen_ai.conversation.id": conversation["id"], "convo.turn.id": turn_id}
    assert turn.attributes == {**whose, "convo.turn.state": "completed"}
    [generate] = collector.named("turn.generate")
    assert collector.below(generate) == ["chat test"]
    [call] = collector.named("chat test")
    assert (call.trace, call.kind, call.is_error) == (TRACE, Span.SPAN_KIND_CLIENT, False)
    assert call.attributes.items() >= whose.items()
    assert call.attributes["gen_ai.operation.name"] == "chat"
    assert call.attributes["gen_ai.provider.name"] == call.attributes["gen_ai.system"] == "scripted"
    assert call.attributes["gen_ai.request.model"] == "test"
    assert call.attributes["gen_ai.response.finish_reasons"] == ["stop"]
    assert call.attributes["gen_ai.usage.input_tokens"] == 11
    assert call.attributes["gen_ai.usage.output_tokens"] == 7
    [first] = collector.named("POST /conversations")
    assert first.trace != TRACE, "without traceparent a request is a trace of its own"
    [recorded] = [record for record in caplog.records if record.message == "turn.recorded"]
    assert vars(recorded)["trace_id"] == TRACE


async def test_what_fails_says_why_by_its_code_and_a_turn_from_the_line_is_a_trace_of_its_own(
    own_settings: Settings, collector: Collector, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(logging.getLogger(logs.ROOT), "propagate", True)
    caplog.set_level("INFO", logs.ROOT)
    model = ScriptedModel([Pause(0.05), Fail(OverloadedError("xylophone is busy"))], [Say("zeugma")])
    async with ConversationEngine(own_settings, providers={"scripted": model}) as engine:
        conversation = await begin(engine)
        with engine.tracer.span("outer"):
            first = await ask(engine, conversation.id)
            with pytest.raises(TurnInProgressError):
                await ask(engine, conversation.id)
        queued = await ask(engine, conversation.id, on_busy=BusyPolicy.QUEUE)
        await answered(engine, first)
        await answered(engine, queued)

    assert "xylophone" not in collector.raw
    [outer] = collector.named("outer")
    assert collector.below(outer) == ["turn.admit", "turn", "turn.admit"]
    failed, waited = collector.named("turn")
    assert (failed.is_error, failed.attributes["error.type"]) == (True, "model_overloaded")
    assert (waited.is_error, waited.above, waited.attributes["convo.turn.id"]) == (False, "", queued.id)
    assert waited.trace != failed.trace
    lines = [vars(record)["trace_id"] for record in caplog.records if record.message == "turn.recorded"]
    assert lines == [failed.trace, waited.trace]
    broken, _ = collector.named("chat test")
    assert (broken.is_error, broken.attributes["error.type"]) == (True, "model_overloaded")
    refused = [one for one in collector.named("turn.admit") if one.is_error]
    assert {one.attributes["error.type"] for one in refused} == {"turn_in_progress"}


async def test_what_is_looked_up_is_a_step_and_a_model_that_is_not_asked_is_none(
    own_settings: Settings, collector: Collector
) -> None:
    async with ConversationEngine(own_settings, providers={"scripted": ScriptedModel()}) as engine:
        options = RetrievalOptions(strategy=Strategy.LEXICAL, is_strict=True)
        turn = await ask(engine, (await begin(engine)).id, "xylophone", retrieval=options)
        await answered(engine, turn)

    [turn_span] = collector.named("turn")
    assert collector.below(turn_span) == ["turn.retrieve", "turn.record"]
    [looked_up] = collector.named("turn.retrieve")
    assert looked_up.attributes == {"convo.retrieval.hits": 0, "convo.retrieval.shown": 0}
    assert "xylophone" not in collector.raw


async def test_a_collector_that_is_away_keeps_nobody(own_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.1")
    monkeypatch.setattr(otel, "CLOSE_SECONDS", 0.05)
    async with ConversationEngine(own_settings, providers={"scripted": ScriptedModel()}) as engine:
        turn = await ask(engine, (await begin(engine)).id)
        assert (await answered(engine, turn)).turn.state is TurnState.COMPLETED


OFF = """
import asyncio, sys
from conversation_engine import ConversationEngine
from conversation_engine.domains.conversations.types import NewConversation
from conversation_engine.engine.settings import Settings
from conversation_engine.testing import ScriptedModel
from conversation_engine.turns.types import NewTurn

async def turn():
    settings = Settings(model="scripted/test", embedding_model="none", database_url=sys.argv[1], data_dir=sys.argv[2])
    async with ConversationEngine(settings, providers={"scripted": ScriptedModel()}) as engine:
        conversation = await engine.conversations.create(NewConversation(owner_id="ada"))
        new = NewTurn(conversation_id=conversation.id, owner_id="ada", content="hi")
        print((await engine.turns.wait(await engine.turns.submit(new))).turn.state.value)

asyncio.run(turn())
print([name for name in sys.modules if name.split(".")[0] == "opentelemetry"])
"""


def test_where_no_endpoint_is_set_nothing_of_it_is_even_loaded(own_settings: Settings) -> None:
    """On a server the web framework loads OpenTelemetry's interface by itself; an engine needs not even that."""
    where = [own_settings.resolved_database_url, str(own_settings.data_dir)]
    done = subprocess.run([sys.executable, "-c", OFF, *where], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == ["completed", "[]"], done.stderr


ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": " "},
        {**ENDPOINT, "OTEL_SDK_DISABLED": "true"},
        {**ENDPOINT, "OTEL_TRACES_EXPORTER": "none"},
    ],
)
async def test_off_means_off(environment: dict[str, str]) -> None:
    assert open_tracer(environment) is NO_TRACES
    assert await check_traces(environment) == []


@pytest.mark.parametrize(
    ("environment", "word"),
    [
        ({**ENDPOINT, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "'grpc'"),
        ({**ENDPOINT, "OTEL_TRACES_EXPORTER": "console"}, "'console'"),
        (ENDPOINT, "conversation-engine[otel]"),
    ],
)
async def test_what_cannot_be_sent_is_said_once_and_the_engine_goes_on(
    environment: dict[str, str], word: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(logging.getLogger(logs.ROOT), "propagate", True)
    if environment is ENDPOINT:
        monkeypatch.setattr(opening, "find_spec", lambda name: None)
    assert open_tracer(environment) is NO_TRACES
    [record] = caplog.records
    assert record.message == "traces.not_sent"
    assert word in vars(record)["cause"]
    [finding] = await check_traces(environment)
    assert not finding.is_well
    assert finding.sentence == vars(record)["cause"]


async def test_doctor_says_where_traces_go() -> None:
    [finding] = await check_traces({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://ada:secret@collector:4318/v1/traces"})
    assert finding.is_well
    assert "collector:4318" in finding.sentence
    assert "secret" not in finding.sentence
