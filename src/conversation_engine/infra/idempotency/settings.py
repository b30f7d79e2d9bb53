"""How long a key is remembered."""

from pydantic import BaseModel, Field


class IdempotencySettings(BaseModel):
    """Repeated requests."""

    idempotency_hours: float = Field(
        24.0, gt=0, description="How long the same `Idempotency-Key` means the same request."
    )
