"""What Prometheus reads, and who else may; and what is noted of requests."""

import hmac
import ipaddress
from collections.abc import Sequence
from time import perf_counter
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request, Response
from fastapi.routing import iter_route_contexts
from starlette.datastructures import Headers
from starlette.routing import BaseRoute
from starlette.types import Scope

from conversation_engine.infra.observability.catalogue import ACTIVE_STREAMS, REQUEST_SECONDS, REQUESTS
from conversation_engine.infra.observability.errors import MetricsForbiddenError, MetricsTokenRequiredError
from conversation_engine.infra.observability.metrics import CONTENT_TYPE, Metrics
from conversation_engine.infra.observability.tracing import NO_SPAN, NO_TRACES, Span, Tracer
from conversation_engine.infra.web.event_stream import MEDIA_TYPE as EVENT_STREAM

PATH: Final = "/metrics"
NOWHERE: Final = "none"
FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
"""Set by proxies: who is beyond one is not on this machine, whatever the connection says."""
UNTRACED: Final = frozenset({PATH, "/healthz", "/readyz"})
"""Asked by machines every few seconds: they would be most of all traces."""
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

router = APIRouter(tags=["health"])


async def _may_read(request: Request) -> None:
    token: str | None = request.app.state.metrics_token
    if token is None:
        if not _is_on_this_machine(request):
            raise MetricsForbiddenError
        return
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), token.encode()):
        raise MetricsTokenRequiredError


@router.get(PATH, response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(request: Request, _: Annotated[None, Depends(_may_read)]) -> Response:
    """Counts of what happens here, for Prometheus: docs/reference/metrics.md lists them."""
    return Response(await request.app.state.meter.page(), headers={"content-type": CONTENT_TYPE})


def _is_on_this_machine(request: Request) -> bool:
    if any(name in request.headers for name in FORWARDED):
        return False
    try:
        return request.client is None or ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:  # a Unix socket
        return True


class RequestMeter:
    """Counts requests and open streams of one application, and has them traced."""

    def __init__(self, metrics: Metrics, routes: Sequence[BaseRoute], tracer: Tracer = NO_TRACES) -> None:
        self._routes = routes
        self.tracer = tracer
        self._templates: dict[int, str] = {}
        self.metrics = metrics

    def begin(self, scope: Scope, headers: Headers) -> "OneRequest":
        """A request came in. Enter its span around all that is done for it."""
        if not self.tracer.is_on or scope["path"] in UNTRACED:
            return OneRequest(self, NO_SPAN)
        return OneRequest(self, self.tracer.request(_method(scope), headers))

    def template_of(self, scope: Scope) -> str:
        """How the path of the route is written that a request was led to."""
        route = scope.get("route")
        if route is None:
            return NOWHERE
        if not self._templates:  # when the first has come: the framework makes its routes only then, in 0.3 s
            contexts = iter_route_contexts(self._routes)
            self._templates = {id(one.original_route): str(one.path_format) for one in contexts}
            self.metrics.allow("route", {NOWHERE, *self._templates.values()})
        return self._templates.get(id(route), NOWHERE)


class OneRequest:
    """What is noted of one request: when its answer begins, and when all is over."""

    __slots__ = ("_began", "_code", "_is_stream", "_meter", "_status", "span")

    def __init__(self, meter: RequestMeter, span: Span) -> None:
        self._meter = meter
        self.span = span
        self._code: int | None = None
        self._began = perf_counter()
        self._status = NOWHERE
        self._is_stream = False

    def note_answer(self, status: int, media_type: str) -> None:
        """Its answer begins."""
        self._code, self._status = status, f"{status // 100}xx"
        if media_type.startswith(EVENT_STREAM):
            self._is_stream = True
            self._meter.metrics.shift(ACTIVE_STREAMS, 1)

    def end(self, scope: Scope) -> None:
        """It is over, whoever ended it."""
        metrics, route = self._meter.metrics, self._meter.template_of(scope)
        if self._is_stream:
            metrics.shift(ACTIVE_STREAMS, -1)
        metrics.add(REQUESTS, scope["method"], route, self._status)
        metrics.observe(REQUEST_SECONDS, perf_counter() - self._began, route)
        if self.span is not NO_SPAN:
            self._tell(scope, route)

    def _tell(self, scope: Scope, route: str) -> None:
        """Neither path nor query: they hold secrets of shares, and what is searched for."""
        span, method, code = self.span, _method(scope), self._code
        if route != NOWHERE:
            span.rename(f"{method} {route}")
            span.tell({"http.route": route})
        span.tell({"http.request.method": method, "http.response.status_code": code})
        span.tell({"url.scheme": scope.get("scheme", "http")})
        if code is not None and code >= 500:
            span.fail(str(code))


def _method(scope: Scope) -> str:
    return scope["method"] if scope["method"] in METHODS else "_OTHER"
