"""Knobs of background work."""

from pydantic import BaseModel, Field


class JobSettings(BaseModel):
    """How much is done at once, and how soon another process's work is noticed."""

    jobs_at_once: int = Field(
        1, ge=0, description="Background jobs that each process works on at the same time; 0: it leaves them to others."
    )
    job_poll_seconds: float = Field(
        2.0, gt=0, description="How often a process looks for background jobs that others enqueued."
    )
    job_lease_seconds: float = Field(
        60.0, gt=0, description="How long a job stays its process's own without a sign of life from it."
    )
