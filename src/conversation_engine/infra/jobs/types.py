"""The words of background work."""

from collections.abc import Awaitable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """Something to be done later."""

    kind: str
    """Which handler does it."""
    key: str
    """What it is about. A second job of the same kind and key is not another one: it makes sure of one more run."""
    payload: Mapping[str, Any]
    """JSON; of two jobs with one key the later payload counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job that this process has claimed."""

    id: str
    kind: str
    key: str
    payload: Mapping[str, Any]
    attempts: int
    """Claims so far, this one included: processes that died count."""
    generation: int
    """How often it had been asked for when it was claimed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadJob:
    """A job that was given up."""

    id: str
    kind: str
    key: str
    error_code: str
    attempts: int
    died_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadJobs:
    """Which of the jobs that were given up; `None` means any."""

    ids: Collection[str] | None = None
    kind: str | None = None


class JobHandler(Protocol):
    """Does one kind of job. It may be run again from the start at any time: make it idempotent."""

    def __call__(self, job: Job) -> Awaitable[None]:
        """Do it. What it raises is logged, and it is tried again later."""
        ...

    async def give_up(self, job: Job, error_code: str) -> None:
        """It will not be tried again: leave a trace where people look. Also called before `job` ever ran here."""
        ...
