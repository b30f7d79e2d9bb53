"""Events: written with what they tell, delivered later, at least once, by any process."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Final

from conversation_engine.infra.chores import Chore
from conversation_engine.infra.db.database import Database, Tx
from conversation_engine.infra.ids import new_id
from conversation_engine.infra.jobs.service import JobQueue
from conversation_engine.infra.jobs.types import Job, NewJob
from conversation_engine.infra.observability.logs import get_logger
from conversation_engine.infra.outbox.repo import OutboxRepo
from conversation_engine.infra.outbox.types import EventListener, OutboxEvent, ToldEvent
from conversation_engine.kernel.clock import Clock
from conversation_engine.kernel.errors import EngineError

if TYPE_CHECKING:
    from conversation_engine.infra.outbox.webhook import Webhook

JOB_KIND: Final = "outbox"
MOST_TRIES: Final = 13
"""The wait doubles each time from 2 s: the last try is more than two hours after the first."""
FORGOTTEN_AT_ONCE: Final = 500
SWEEP_SECONDS: Final = 3600.0
_log = get_logger(__name__)


class Outbox:
    """Takes events in the caller's transaction and sees to it that they leave: log, listeners, webhook."""

    def __init__(
        self,
        database: Database,
        *,
        jobs: JobQueue,
        clock: Clock,
        listeners: Sequence[EventListener],
        webhook: "Webhook | None",
        days: float,
    ) -> None:
        """`days`: how long delivered events are kept."""
        self._database = database
        self._jobs = jobs
        self._clock = clock
        self._listeners = listeners
        self._webhook = webhook
        self._lifetime = timedelta(days=days)
        self._repo = OutboxRepo()
        self.chore = Chore("outbox", self.sweep, seconds=SWEEP_SECONDS)
        jobs.register(JOB_KIND, self, most_attempts=MOST_TRIES)

    async def sweep(self) -> int:
        """Forget what was delivered long ago; how many. A short transaction for each `FORGOTTEN_AT_ONCE` of them."""
        before, total = self._clock.now() - self._lifetime, 0
        while True:
            gone = await self._database.write(
                lambda tx: self._repo.delete_told(tx, before=before, count=FORGOTTEN_AT_ONCE)
            )
            total += gone
            if gone < FORGOTTEN_AT_ONCE:
                return total

    def put(self, tx: Tx, kind: str, payload: Mapping[str, Any], *, event_id: str | None = None) -> None:
        """Have it told when `tx` is committed, and only then. Two statements.

        Raises ConstraintViolation for an `event_id` that is there already.
        """
        event = OutboxEvent(id=event_id or new_id(), kind=kind, payload=payload, created_at=self._clock.now())
        self._repo.insert(tx, event)
        self._jobs.enqueue(tx, NewJob(kind=JOB_KIND, key=event.id, payload={}))

    async def newest(self, *kinds: str, count: int) -> Sequence[ToldEvent]:
        """The newest events of these kinds that are still on record, newest first. One statement."""
        return await self._database.read(lambda tx: self._repo.list_newest(tx, kinds, count=count))

    async def __call__(self, job: Job) -> None:
        """Deliver an event. Raises what the webhook raises: then it is tried again."""
        pending = await self._database.read(lambda tx: self._repo.find(tx, job.key))
        if pending is None or pending.is_delivered:
            return
        event = pending.event
        if not pending.is_announced:
            await self._announce(event)
        if self._webhook is None:
            return
        error: EngineError | None = None
        try:
            await self._webhook.send(event)
        except EngineError as failure:
            error = failure
        now, code = self._clock.now(), error.code if error else None
        await self._database.write(lambda tx: self._repo.mark_tried(tx, event.id, error_code=code, at=now))
        if error is not None:
            raise error

    async def give_up(self, job: Job, error_code: str) -> None:
        """The event stays in its table, with what went wrong."""
        _log.error("event.not_delivered", event_id=job.key, error=error_code)

    async def _announce(self, event: OutboxEvent) -> None:
        """Log and listeners: once, unless this process dies right here."""
        _log.warning(event.kind, event_id=event.id, **event.payload)
        for listener in self._listeners:
            try:
                told = listener(event)
                if isawaitable(told):
                    await told
            except Exception as error:  # noqa: BLE001 - somebody else's code must not keep the others from hearing
                _log.warning("event.listener_failed", event_id=event.id, error=type(error).__name__)
        now = self._clock.now()
        await self._database.write(lambda tx: self._repo.mark_announced(tx, event.id, at=now))
