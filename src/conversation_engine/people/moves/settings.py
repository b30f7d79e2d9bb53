"""Knobs of moving conversations."""

from pydantic import BaseModel, Field


class MoveSettings(BaseModel):
    """What is brought in."""

    import_limit_characters: int = Field(
        64_000_000,
        ge=10_000,
        description="Largest conversation that is brought in, in characters of its file: one is in memory at a time.",
    )
