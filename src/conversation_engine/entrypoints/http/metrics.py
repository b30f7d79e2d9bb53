"""What Prometheus reads, and who else may; and what is noted of requests."""

import hmac
import ipaddress
from collections.abc import Sequence
from time import perf_counter
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request, Response
from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute
from starlette.types import Scope

from conversation_engine.infra.observability.catalogue import ACTIVE_STREAMS, REQUEST_SECONDS, REQUESTS
from conversation_engine.infra.observability.errors import MetricsForbiddenError, MetricsTokenRequiredError
from conversation_engine.infra.observability.metrics import CONTENT_TYPE, Metrics
from conversation_engine.infra.web.event_stream import MEDIA_TYPE as EVENT_STREAM

PATH: Final = "/metrics"
NOWHERE: Final = "none"
FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
"""Set by proxies: who is beyond one is not on this machine, whatever the connection says."""

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
    """Counts requests and open streams of one application."""

    def __init__(self, metrics: Metrics, routes: Sequence[BaseRoute]) -> None:
        self._routes = routes
        self._templates: dict[int, str] = {}
        self.metrics = metrics

    def begin(self) -> "OneRequest":
        """A request came in."""
        return OneRequest(self)

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

    __slots__ = ("_began", "_is_stream", "_meter", "_status")

    def __init__(self, meter: RequestMeter) -> None:
        self._meter = meter
        self._began = perf_counter()
        self._status = NOWHERE
        self._is_stream = False

    def note_answer(self, status: int, media_type: str) -> None:
        """Its answer begins."""
        self._status = f"{status // 100}xx"
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
