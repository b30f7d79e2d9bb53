"""After a deletion: nothing of it stays where deleted rows linger, in full-text indexes and the log beside the data."""

from typing import Final

from conversation_engine.infra.db.database import Database
from conversation_engine.infra.db.errors import LogInUseError
from conversation_engine.infra.db.scrubbing import scrub
from conversation_engine.infra.jobs.types import Job, NewJob

WIPE: Final = "wipe_traces"
WIPE_JOB: Final = NewJob(kind=WIPE, key="all", payload={})


class Wiper:
    """A `JobHandler`. It comes back later while somebody still reads what is to be wiped."""

    def __init__(self, database: Database, *, only: str | None = None) -> None:
        """`only` this index; `None`: all."""
        self._database = database
        self._only = only

    async def __call__(self, job: Job) -> None:
        """Raises LogInUseError."""
        if not await scrub(self._database, only=self._only):
            raise LogInUseError

    async def give_up(self, job: Job, error_code: str) -> None:
        """The next deletion tries again, and `convo jobs` shows it."""
        return
