"""What one can ask about conversations."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Final, TypeVar

from conversation_engine.infra.audit.service import AuditLog
from conversation_engine.infra.audit.types import Deed
from conversation_engine.infra.db.database import Database, Tx
from conversation_engine.insights.cost.errors import BadPeriodError
from conversation_engine.insights.statistics.repo import StatisticsRepo
from conversation_engine.insights.statistics.types import (
    MOST_DAYS,
    DayRow,
    Engagement,
    Group,
    Overview,
    Performance,
    Period,
    Scope,
    Sums,
    Whose,
)
from conversation_engine.kernel.clock import Clock
from conversation_engine.kernel.ids import ConversationId
from conversation_engine.kernel.people import Principal, Role, require_role

T = TypeVar("T")
DEFAULT_DAYS: Final = 30
MOST_ERRORS: Final = 50


class StatisticsService:
    """The door to statistics: exact, of what there is now. Reads only; looks at everybody's are written down.

    Every method raises RoleForbiddenError for whom the scope is not.
    """

    def __init__(self, database: Database, *, clock: Clock, audit: AuditLog) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit
        self._repo = StatisticsRepo()

    def period(self, start: datetime | None = None, end: datetime | None = None) -> Period:
        """Whole UTC days from that of `start` to before that of `end`; left out: the last 30 with today.

        Raises BadPeriodError.
        """
        try:
            last = self._clock.now().date() + timedelta(days=1) if end is None else end.date()
            first = last - timedelta(days=DEFAULT_DAYS) if start is None else start.date()
            if end is None:
                last = max(last, first + timedelta(days=1))
        except OverflowError as error:
            raise BadPeriodError from error
        if not date.min < first < last or (last - first).days > MOST_DAYS:
            raise BadPeriodError
        return Period(start=first, end=last)

    async def overview(self, caller: Principal, whose: Whose = Whose.ME) -> Overview:
        """All conversations there are, by type and status. One statement, O(conversations of the scope)."""
        groups = await self._look(caller, whose, self._repo.groups)
        total, by_type, by_status = Group(), dict[str, Group](), dict[str, Group]()
        for kind, status, group in groups:
            total = total.plus(group)
            by_type[kind] = by_type.get(kind, Group()).plus(group)
            by_status[status] = by_status.get(status, Group()).plus(group)
        return Overview(total=total, by_type=by_type, by_status=by_status)

    async def activity(self, caller: Principal, period: Period, whose: Whose = Whose.ME) -> Sequence[DayRow]:
        """Every day of the period, oldest first. Three statements on one snapshot."""

        def work(tx: Tx, scope: Scope) -> tuple[dict[str, DayRow], dict[str, int]]:
            rows = self._repo.by_day(tx, scope, period, self._changed(tx, scope))
            return {row.day: row for row in rows}, self._repo.started(tx, scope, period)

        rows, started = await self._look(caller, whose, work)
        days = ((period.start + timedelta(days=n)).isoformat() for n in range((period.end - period.start).days))
        nothing = DayRow(day="", started=0, conversations=0, people=0, sums=Sums())
        return [replace(rows.get(day, nothing), day=day, started=started.get(day, 0)) for day in days]

    async def engagement(self, caller: Principal, period: Period, whose: Whose = Whose.ME) -> Engagement:
        """Whether people stay and come back, and what they think. Five statements on one snapshot."""

        def work(tx: Tx, scope: Scope) -> Engagement:
            changed = self._changed(tx, scope)
            return Engagement(
                lengths=self._repo.lengths(tx, scope),
                returns=self._repo.returns(tx, scope, period, changed),
                opinions=self._repo.opinions(tx, scope, period),
                messages=self._repo.total(tx, scope, period, changed).user_messages,
            )

        return await self._look(caller, whose, work)

    async def performance(self, caller: Principal, period: Period, whose: Whose = Whose.ME) -> Performance:
        """How long it took, what caches saved, how searches went, what failed. Three statements on one snapshot."""

        def work(tx: Tx, scope: Scope) -> Performance:
            sums = self._repo.total(tx, scope, period, self._changed(tx, scope))
            errors = self._repo.errors(tx, scope, period, count=MOST_ERRORS) if sums.failed_calls else ()
            return Performance(sums=sums, errors=errors)

        return await self._look(caller, whose, work)

    def _changed(self, tx: Tx, scope: Scope) -> Sequence[ConversationId]:
        return self._repo.list_changed(tx, scope)

    async def _look(self, caller: Principal, whose: Whose, work: Callable[[Tx, Scope], T]) -> T:
        scope = _scope(caller, whose)
        found = await self._database.read(lambda tx: work(tx, scope))
        if whose is Whose.EVERYBODY:
            await self._audit.note(Deed(action="statistics.looked_at", actor_id=caller.user_id))
        return found


def _scope(caller: Principal, whose: Whose) -> Scope:
    match whose:
        case Whose.ME:
            return Scope(owner_id=caller.user_id)
        case Whose.CLIENTS:
            require_role(caller, Role.TEACHER, Role.ADMIN)
            return Scope(supervisor_id=caller.user_id)
        case Whose.EVERYBODY:
            require_role(caller, Role.ADMIN)
            return Scope()
