"""Knobs of the write path."""

from pydantic import BaseModel, Field


class TurnSettings(BaseModel):
    """Leases, checkpoints and stopping."""

    lease_seconds: float = Field(
        30.0, gt=0, description="How long a turn stays its process's own without a sign of life from it."
    )
    sweep_seconds: float = Field(10.0, gt=0, description="How often a process looks for turns whose lease ran out.")
    checkpoint_interval_seconds: float = Field(
        0.02,
        ge=0,
        description="Shortest time between two checkpoints of running replies, all turns together.",
    )
    heartbeat_seconds: float = Field(15.0, gt=0, description="Longest silence of an event stream.")
    grace_seconds: float = Field(
        2.0, ge=0, description="How long running turns may go on when the process is asked to stop."
    )
