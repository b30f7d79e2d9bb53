"""Knobs of what operators see."""

from typing import Literal

from pydantic import BaseModel, Field, SecretStr


class ObservabilitySettings(BaseModel):
    """Logs and metrics."""

    log_format: Literal["text", "ecs"] = Field(
        "text",
        description="How events are written to standard error: `text` for people, `ecs` as JSON in the names of the "
        "Elastic Common Schema, one event a line.",
    )
    metrics_token: SecretStr | None = Field(
        None,
        min_length=16,
        description="What Prometheus must send as a bearer token to read `/metrics`. Unset: only this machine may read "
        "it, and not through a proxy.",
    )
    worker_metrics_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="Port on which `convo worker` answers `/metrics`: on loopback, or everywhere with a metrics token. "
        "Unset: none.",
    )
