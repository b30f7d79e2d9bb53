"""Knobs of the HTTP doors."""

from pydantic import BaseModel, Field


class WebSettings(BaseModel):
    """Where the server listens and what it takes."""

    host: str = Field("127.0.0.1", description="Address to listen on. Outside loopback a secret must be set.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on.")
    workers: int = Field(1, ge=1, description="Processes of `convo serve` that share the port.")
    cors_origins: list[str] = Field(
        [],
        description="JSON list of origins whose pages may call the API and frame `/widget`: "
        '["https://school.example"]. Empty: none.',
    )
    ui_api_url: str | None = Field(
        None,
        description="Where the web page's own server reaches the API. Unset: where the browser's request came in.",
    )
    body_limit_bytes: int = Field(1_048_576, ge=1024, description="Largest request body.")
