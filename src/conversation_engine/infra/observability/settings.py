"""Knobs of what operators see."""

from pydantic import BaseModel, Field, SecretStr


class ObservabilitySettings(BaseModel):
    """Metrics."""

    metrics_token: SecretStr | None = Field(
        None,
        min_length=16,
        description="What Prometheus must send as a bearer token to read `/metrics`. Unset: only this machine may read "
        "it, and not through a proxy.",
    )
