"""Knobs of retention."""

from typing import Annotated

from pydantic import BaseModel, Field


class RetentionSettings(BaseModel):
    """How long conversations are kept."""

    retention_days: dict[str, Annotated[float, Field(gt=0)]] = Field(
        default_factory=dict,
        description="After how many days without anything new a conversation is erased, by type, and under `*` for all "
        'other types: `{"practice": 30, "*": 365}`; unset: never.',
    )
