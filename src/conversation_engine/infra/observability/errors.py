"""Why somebody is not shown the metrics."""

from conversation_engine.kernel.errors import EngineError, Kind


class MetricsForbiddenError(EngineError):
    """Metrics were asked for from beyond this machine, and no token for them is set."""

    code = "metrics_forbidden"
    kind = Kind.FORBIDDEN

    def __init__(self) -> None:
        super().__init__(
            "Metrics are for this machine alone, until CE_METRICS_TOKEN is set. Tell the operator; see "
            "docs/operations.md."
        )


class MetricsTokenRequiredError(EngineError):
    """Metrics were asked for without their token."""

    code = "metrics_token_required"
    kind = Kind.UNAUTHENTICATED

    def __init__(self) -> None:
        super().__init__("Send the metrics' own token: `Authorization: Bearer …`, as CE_METRICS_TOKEN says.")


class MetricsPortTakenError(EngineError):
    """The port of a worker's metrics is taken, or not ours to take."""

    code = "metrics_port_taken"
    kind = Kind.UNAVAILABLE

    def __init__(self, port: int) -> None:
        super().__init__(
            f"Cannot listen on port {port}. Stop what is using it, or set CE_WORKER_METRICS_PORT otherwise."
        )
