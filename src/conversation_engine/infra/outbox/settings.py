"""Knobs of events."""

from typing import Literal

from pydantic import BaseModel, Field, SecretStr


class OutboxSettings(BaseModel):
    """Where events go, beside the log."""

    webhook_url: SecretStr | None = Field(
        None,
        description="An `https://` address that is sent alerts (a `POST` with a signed JSON body); unset: none is.",
    )
    webhook_secret: SecretStr | None = Field(
        None, description="Signs what is sent there (Standard Webhooks, HMAC-SHA256); needed with CE_WEBHOOK_URL."
    )
    webhook_timeout_seconds: float = Field(10.0, gt=0, description="Longest time one call of the webhook may take.")
    outbox_days: float = Field(
        30.0, gt=0, description="How long events are kept that were delivered; others are kept for people to look at."
    )
    webhook_private_addresses: Literal["refuse", "allow"] = Field(
        "refuse", description="Whether the webhook may be on this machine or in this network, and be plain `http://`."
    )
