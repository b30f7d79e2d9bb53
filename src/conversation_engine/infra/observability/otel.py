"""Traces by OpenTelemetry, sent over OTLP (HTTP, protobuf) as its own environment variables say.

A provider of our own, not the process's: what other libraries would tell of requests (paths, queries, messages of
exceptions) holds what people said. Loaded only where an endpoint is set: see `opening.open_tracer`.
"""

import asyncio
import threading
from collections.abc import Mapping
from contextvars import Token
from types import TracebackType
from typing import Final, Literal, Self

import structlog
from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from conversation_engine.infra.observability.ecs import SERVICE, own_version
from conversation_engine.infra.observability.logs import ROOT
from conversation_engine.infra.observability.tracing import NOTHING, Attributes
from conversation_engine.kernel.errors import EngineError

CLOSE_SECONDS: Final = 3.0
"""How long a process that ends waits for a collector; what it does not take by then is lost."""
_PROPAGATOR: Final = TraceContextTextMapPropagator()
_KINDS: Final = {"inside": SpanKind.INTERNAL, "call": SpanKind.CLIENT}


class OtelTracer:
    """Sends spans in the background, from a thread. Sampling, limits, headers and batches are OpenTelemetry's own."""

    is_on: Final = True

    def __init__(self) -> None:
        own = Resource({"service.name": SERVICE, "service.version": own_version()})
        resource = Resource.create().merge(own).merge(OTELResourceDetector().detect())  # what is set goes before ours
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer(ROOT, own_version())

    def span(
        self, name: str, attributes: Attributes = NOTHING, *, kind: Literal["inside", "call"] = "inside"
    ) -> "OtelSpan":
        """As in the port."""
        return OtelSpan(self._tracer.start_span(name, kind=_KINDS[kind], attributes=_told(attributes)))

    def request(self, name: str, headers: Mapping[str, str]) -> "OtelSpan":
        """As in the port."""
        sent = {name: headers[name] for name in ("traceparent", "tracestate") if name in headers}
        above = _PROPAGATOR.extract(sent, context=Context())
        return OtelSpan(self._tracer.start_span(name, context=above, kind=SpanKind.SERVER))

    async def aclose(self) -> None:
        """As in the port. A thread that nobody has to wait for: a collector that hangs must not keep a process."""
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        await asyncio.to_thread(closing.join, CLOSE_SECONDS)


class OtelSpan:
    """One of OpenTelemetry's. Lines of the log inside have its trace's id."""

    __slots__ = ("_bound", "_span", "_token")

    def __init__(self, span: trace.Span) -> None:
        self._span = span
        self._bound: Mapping[str, Token[object]] = {}
        self._token: Token[Context] | None = None

    def rename(self, name: str) -> None:
        """As in the port."""
        self._span.update_name(name)

    def tell(self, attributes: Attributes) -> None:
        """As in the port."""
        self._span.set_attributes(_told(attributes))

    def fail(self, error_type: str) -> None:
        """As in the port."""
        self._span.set_attribute("error.type", error_type)
        self._span.set_status(StatusCode.ERROR)

    def __enter__(self) -> Self:
        self._token = contexts.attach(trace.set_span_in_context(self._span))
        trace_id = trace.format_trace_id(self._span.get_span_context().trace_id)
        if structlog.contextvars.get_contextvars().get("trace_id") != trace_id:
            self._bound = structlog.contextvars.bind_contextvars(trace_id=trace_id)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:  # by its name alone: a message may hold what somebody said
            self.fail(error.code if isinstance(error, EngineError) else type(error).__name__)
        structlog.contextvars.reset_contextvars(**self._bound)
        if self._token is not None:
            contexts.detach(self._token)
        self._span.end()


def _told(attributes: Attributes) -> dict[str, str | int | float | bool | list[str]]:
    """What there is to say, as the library takes it."""
    return {
        name: value if isinstance(value, str | int | float | bool) else list(value)
        for name, value in attributes.items()
        if value is not None
    }
