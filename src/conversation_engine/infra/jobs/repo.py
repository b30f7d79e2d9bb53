"""Every query of background work."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, case, delete, func, select, update

from conversation_engine.infra.db.database import Tx
from conversation_engine.infra.db.functions import upsert_into
from conversation_engine.infra.ids import new_id
from conversation_engine.infra.jobs.models import JobModel
from conversation_engine.infra.jobs.types import DeadJob, DeadJobs, Job, NewJob

_jobs = JobModel.__table__


class JobRepo:
    """Rows of `jobs`. A lease is the time at which somebody else may claim the job: `run_at`."""

    def insert(self, tx: Tx, new: NewJob, *, at: datetime, run_at: datetime) -> None:
        """Write a job, or ask once more for the one with its key: dead, waiting or being done."""
        statement = upsert_into(tx, _jobs).values(
            id=new_id(),
            kind=new.kind,
            key=new.key,
            payload=dict(new.payload),
            generation=1,
            attempts=0,
            run_at=run_at,
            created_at=at,
        )
        again = {
            "payload": statement.excluded.payload,
            "generation": _jobs.c.generation + 1,
            "attempts": case((_jobs.c.lease_owner.is_(None), 0), else_=_jobs.c.attempts),
            "run_at": case((_jobs.c.lease_owner.is_(None), statement.excluded.run_at), else_=_jobs.c.run_at),
            "error_code": None,
            "died_at": None,
        }
        tx.execute(statement.on_conflict_do_update(index_elements=["kind", "key"], set_=again))

    def is_any_due(self, tx: Tx, kinds: Collection[str], *, now: datetime) -> bool:
        """Whether something can be claimed."""
        return tx.scalar(select(_jobs.c.id).where(*_due(kinds, now)).limit(1)) is not None

    def claim(
        self, tx: Tx, kinds: Collection[str], *, now: datetime, holder: str, until: datetime, count: int
    ) -> Sequence[Job]:
        """Take the oldest due jobs; rows that another process is claiming are passed over."""
        due = select(_jobs.c.id).where(*_due(kinds, now)).order_by(_jobs.c.run_at).limit(count)
        ids = list(tx.scalars(due.with_for_update(skip_locked=True)))
        if not ids:
            return []
        claim = (
            update(_jobs)
            .where(_jobs.c.id.in_(ids))
            .values(lease_owner=holder, run_at=until, attempts=_jobs.c.attempts + 1)
            .returning(*_jobs.c)
        )
        return sorted((_job(row) for row in tx.execute(claim)), key=lambda job: job.id)

    def extend(self, tx: Tx, ids: Collection[str], *, holder: str, until: datetime) -> None:
        """A sign of life for these, as far as they are still the holder's."""
        tx.execute(update(_jobs).where(_jobs.c.id.in_(ids), _jobs.c.lease_owner == holder).values(run_at=until))

    def finish(self, tx: Tx, job: Job, *, holder: str, now: datetime) -> None:
        """It is done: forget it, or let it run once more if it was asked for meanwhile."""
        held = (_jobs.c.id == job.id, _jobs.c.lease_owner == holder)
        if tx.execute(delete(_jobs).where(*held, _jobs.c.generation == job.generation)).rowcount == 0:
            tx.execute(update(_jobs).where(*held).values(lease_owner=None, attempts=0, run_at=now))

    def postpone(self, tx: Tx, job: Job, *, holder: str, run_at: datetime, error_code: str | None) -> None:
        """It failed: let it be claimed again at `run_at`."""
        values = {"lease_owner": None, "run_at": run_at, "error_code": error_code}
        tx.execute(update(_jobs).where(_jobs.c.id == job.id, _jobs.c.lease_owner == holder).values(**values))

    def release(self, tx: Tx, job: Job, *, holder: str, now: datetime) -> None:
        """It was not done, and not its own fault: the claim does not count."""
        values = {"lease_owner": None, "run_at": now, "attempts": _jobs.c.attempts - 1}
        tx.execute(update(_jobs).where(_jobs.c.id == job.id, _jobs.c.lease_owner == holder).values(**values))

    def bury(self, tx: Tx, job: Job, *, holder: str, at: datetime, error_code: str) -> None:
        """It failed too often: keep it where an operator can see it."""
        values = {"lease_owner": None, "died_at": at, "error_code": error_code}
        tx.execute(update(_jobs).where(_jobs.c.id == job.id, _jobs.c.lease_owner == holder).values(**values))

    def delete(self, tx: Tx, *, kind: str, keys: Collection[str]) -> None:
        """What these were about is gone."""
        tx.execute(delete(_jobs).where(_jobs.c.kind == kind, _jobs.c.key.in_(keys)))

    def count_alive(self, tx: Tx, kinds: Collection[str]) -> int:
        """Jobs that wait or are being done."""
        return tx.scalar(select(func.count()).where(_jobs.c.kind.in_(kinds), _jobs.c.died_at.is_(None))) or 0

    def count_by_state(self, tx: Tx) -> Mapping[tuple[str, str], int]:
        """By kind and `waiting`, `running` or `dead`."""
        is_dead, is_waiting = _jobs.c.died_at.is_not(None), _jobs.c.lease_owner.is_(None)
        state = case((is_dead, "dead"), (is_waiting, "waiting"), else_="running")
        query = select(_jobs.c.kind, state.label("state"), func.count().label("jobs")).group_by(_jobs.c.kind, "state")
        return {(row.kind, row.state): row.jobs for row in tx.execute(query)}

    def revive(self, tx: Tx, which: DeadJobs, *, now: datetime) -> int:
        """Let dead jobs be claimed anew, as if they had never been tried; how many."""
        values = {"died_at": None, "error_code": None, "attempts": 0, "run_at": now}
        return tx.execute(update(_jobs).where(*_dead(which)).values(**values)).rowcount

    def drop(self, tx: Tx, which: DeadJobs) -> int:
        """Forget dead jobs; how many."""
        return tx.execute(delete(_jobs).where(*_dead(which))).rowcount

    def list_dead(self, tx: Tx, *, count: int) -> Sequence[DeadJob]:
        """The last ones that were given up, newest first."""
        query = select(*_jobs.c).where(_jobs.c.died_at.is_not(None)).order_by(_jobs.c.died_at.desc()).limit(count)
        return [
            DeadJob(
                id=row.id,
                kind=row.kind,
                key=row.key,
                error_code=row.error_code,
                attempts=row.attempts,
                died_at=row.died_at,
            )
            for row in tx.execute(query)
        ]


def _due(kinds: Collection[str], now: datetime) -> tuple[Any, ...]:
    return _jobs.c.kind.in_(kinds), _jobs.c.run_at <= now, _jobs.c.died_at.is_(None)


def _dead(which: DeadJobs) -> list[Any]:
    conditions: list[Any] = [_jobs.c.died_at.is_not(None)]
    if which.ids is not None:
        conditions.append(_jobs.c.id.in_(which.ids))
    if which.kind is not None:
        conditions.append(_jobs.c.kind == which.kind)
    return conditions


def _job(row: Row[Any]) -> Job:
    return Job(
        id=row.id,
        kind=row.kind,
        key=row.key,
        payload=row.payload,
        attempts=row.attempts,
        generation=row.generation,
    )
