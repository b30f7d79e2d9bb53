"""Whether traces are sent, as OpenTelemetry's own variables say."""

import os
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Final

from conversation_engine.infra.observability.logs import get_logger
from conversation_engine.infra.observability.tracing import NO_TRACES, Tracer

ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_log = get_logger(__name__)


def open_tracer(environment: Mapping[str, str] = os.environ) -> Tracer:
    """As OpenTelemetry's own variables say: off unless they name an endpoint. Connects to nothing."""
    if endpoint_of(environment) is None:
        return NO_TRACES
    if (why := trouble_of(environment)) is not None:
        _log.warning("traces.not_sent", cause=why)
        return NO_TRACES
    from conversation_engine.infra.observability.otel import OtelTracer

    return OtelTracer()


def endpoint_of(environment: Mapping[str, str]) -> str | None:
    """Where traces are to go; `None`: nowhere."""
    is_disabled = environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if is_disabled or environment.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none":
        return None
    return next((found for name in ENDPOINTS if (found := environment.get(name, "").strip())), None)


def trouble_of(environment: Mapping[str, str]) -> str | None:
    """Why they cannot go there, and what to do about it."""
    exporter = environment.get("OTEL_TRACES_EXPORTER", "").strip().lower() or "otlp"
    if exporter != "otlp":
        return f"OTEL_TRACES_EXPORTER is {exporter!r}; traces are sent by `otlp` only. Unset it, or set `none`."
    protocol = next((found for name in PROTOCOLS if (found := environment.get(name, "").strip())), "http/protobuf")
    if protocol != "http/protobuf":
        return (
            f"OTEL_EXPORTER_OTLP_PROTOCOL is {protocol!r}; traces are sent by `http/protobuf` only. "
            "Unset it, and name the collector's HTTP port (4318)."
        )
    if not _is_installed():
        return "An OTLP endpoint is set, and the extra `otel` is missing: pip install 'conversation-engine[otel]'."
    return None


def _is_installed() -> bool:
    try:
        return all(find_spec(name) for name in ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http"))
    except ModuleNotFoundError:
        return False
