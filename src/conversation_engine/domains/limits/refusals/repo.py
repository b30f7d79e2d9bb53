"""Every query about refusals."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import delete, func, select

from conversation_engine.domains.limits.models import RefusalModel
from conversation_engine.domains.limits.refusals.types import RefusalKey, RefusedInHour, RefusedPerson
from conversation_engine.infra.db.database import Tx
from conversation_engine.infra.db.functions import upsert_into

_refusals = RefusalModel.__table__


class RefusalRepo:
    """Rows of `rate_refusals`."""

    def add(self, tx: Tx, counts: Mapping[RefusalKey, int], *, at: datetime) -> None:
        """Count these too. In the order of their keys, so that nobody deadlocks."""
        statement = upsert_into(tx, _refusals)
        statement = statement.on_conflict_do_update(
            index_elements=["hour", "rule", "owner_id"],
            set_={"refused": _refusals.c.refused + statement.excluded.refused, "last_at": statement.excluded.last_at},
        )
        rows = [
            {"hour": key.hour, "rule": key.rule, "owner_id": key.user_id, "refused": count, "last_at": at}
            for key, count in sorted(counts.items(), key=lambda item: (item[0].hour, item[0].rule, item[0].user_id))
        ]
        tx.execute(statement, rows)

    def delete_before(self, tx: Tx, hour: datetime) -> None:
        """Forget what is older."""
        tx.execute(delete(_refusals).where(_refusals.c.hour < hour))

    def list_hours(self, tx: Tx, *, since: datetime) -> Sequence[RefusedInHour]:
        """By hour and rule, in order."""
        refused = func.sum(_refusals.c.refused).label("refused")
        query = select(_refusals.c.hour, _refusals.c.rule, refused).where(_refusals.c.hour >= since)
        query = query.group_by(_refusals.c.hour, _refusals.c.rule).order_by(_refusals.c.hour, _refusals.c.rule)
        return [RefusedInHour(hour=row.hour, rule=row.rule, refused=int(row.refused)) for row in tx.execute(query)]

    def list_people(self, tx: Tx, *, since: datetime, count: int) -> Sequence[RefusedPerson]:
        """By person and rule, most often refused first."""
        refused = func.sum(_refusals.c.refused).label("refused")
        last_at = func.max(_refusals.c.last_at, type_=_refusals.c.last_at.type).label("last_at")
        query = select(_refusals.c.owner_id, _refusals.c.rule, refused, last_at).where(_refusals.c.hour >= since)
        query = query.group_by(_refusals.c.owner_id, _refusals.c.rule)
        query = query.order_by(refused.desc(), _refusals.c.owner_id, _refusals.c.rule).limit(count)
        return [
            RefusedPerson(user_id=row.owner_id, rule=row.rule, refused=int(row.refused), last_at=row.last_at)
            for row in tx.execute(query)
        ]
